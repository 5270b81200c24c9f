using CdpFunctions.Local.Emulator;

namespace CdpFunctions.Clients;

/// <summary>The client SDKs as <c>package.json</c> pins them, installed once per user and lock file.</summary>
internal static class ClientPackages
{
    /// <summary>Where the tests' own files are: package.json and the scripts for Node.</summary>
    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "clients");

    private static readonly Lazy<Task<string>> Installed = new(static () => Task.Run(static () =>
        new NpmInstallation(Folder, "clients", "the client SDKs").EnsureAsync(Console.WriteLine, CancellationToken.None)));

    /// <summary>The path of <c>node_modules</c>.</summary>
    public static Task<string> ModulesAsync() => Installed.Value;
}
