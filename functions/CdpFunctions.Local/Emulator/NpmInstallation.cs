using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace CdpFunctions.Local.Emulator;

/// <summary>
/// Packages as a <c>package.json</c> and its lock file pin them, installed once per user and lock file. Several processes may come
/// at the same time: one installs, into a folder that gets its name only when it is complete.
/// </summary>
/// <param name="packages">The folder of <c>package.json</c> and <c>package-lock.json</c>.</param>
/// <param name="name">Names the installation's folder.</param>
/// <param name="what">What is installed, in the words of a sentence to the user.</param>
internal sealed class NpmInstallation(string packages, string name, string what)
{
    /// <summary>The oldest Node that the pinned packages take.</summary>
    private const int OldestNode = 20;

    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(200);

    /// <returns>The path of the complete <c>node_modules</c>.</returns>
    /// <param name="say">Told in one line when there is something to wait for.</param>
    /// <exception cref="EmulatorException">Node or npm is missing or too old, or npm failed.</exception>
    public async Task<string> EnsureAsync(Action<string> say, CancellationToken cancellation)
    {
        await RequireNodeAsync(cancellation);
        var pinned = await File.ReadAllBytesAsync(Path.Combine(packages, "package-lock.json"), cancellation);
        var hash = Convert.ToHexStringLower(SHA256.HashData(pinned))[..12];
        var cache = Path.Combine(CacheRoot(), "cdpfunctions");
        var folder = Path.Combine(cache, $"{name}-{hash}");
        var modules = Path.Combine(folder, "node_modules");
        if (IsComplete(modules))
            return modules;

        Directory.CreateDirectory(cache);
        await using var claim = await LockAsync(folder + ".lock", cancellation);
        if (IsComplete(modules))
            return modules;
        say($"Installing {what} into {folder} (once, about half a minute) ...");
        var unfinished = Directory.CreateDirectory($"{folder}.{Guid.NewGuid():n}").FullName;
        try
        {
            foreach (var file in new[] { "package.json", "package-lock.json" })
                File.Copy(Path.Combine(packages, file), Path.Combine(unfinished, file));
            await InstallAsync(unfinished, cancellation);
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            Directory.Move(unfinished, folder);
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
        }

        return modules;
    }

    /// <summary>npm writes its own list of what is installed (the hidden lock file) last, so where it is, everything is.</summary>
    private static bool IsComplete(string modules) => File.Exists(Path.Combine(modules, ".package-lock.json"));

    private static string CacheRoot()
    {
        var local = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create);
        return local.Length > 0 ? local : Path.GetTempPath();
    }

    private async Task RequireNodeAsync(CancellationToken cancellation)
    {
        var (code, output, _) = await RunAsync(
            new ProcessStartInfo("node", ["--version"]),
            $"Node.js is not installed; version {OldestNode} or newer is needed for {what}: https://nodejs.org.",
            cancellation);
        var version = output.Trim().TrimStart('v');
        if (code != 0 || !int.TryParse(version.Split('.')[0], CultureInfo.InvariantCulture, out var major) || major < OldestNode)
            throw new EmulatorException($"Node.js {version} is too old; version {OldestNode} or newer is needed for {what}: https://nodejs.org.");
    }

    private async Task InstallAsync(string folder, CancellationToken cancellation)
    {
        // No package needs its install scripts, so none gets to run one.
        string[] arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        // On Windows npm is a script, which only a shell can start.
        var start = OperatingSystem.IsWindows() ? new ProcessStartInfo("cmd.exe", ["/c", "npm", .. arguments]) : new ProcessStartInfo("npm", arguments);
        start.WorkingDirectory = folder;
        var (code, output, error) = await RunAsync(start, $"npm is not installed; it is needed for {what}: https://nodejs.org.", cancellation);
        if (code != 0)
        {
            var said = (error + output).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var reason = said.FirstOrDefault(static line => line.StartsWith("npm error", StringComparison.Ordinal)) ?? said.FirstOrDefault() ?? "no reason given";
            throw new EmulatorException($"npm could not install {what} ({reason}); check the network and npm's registry, then start again.");
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(ProcessStartInfo start, string missing, CancellationToken cancellation)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception notFound)
        {
            throw new EmulatorException(missing, notFound);
        }

        using (process)
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var error = process.StandardError.ReadToEndAsync(cancellation);
            try
            {
                await process.WaitForExitAsync(cancellation);
                return (process.ExitCode, await output, await error);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw;
            }
        }
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                await Task.Delay(LockRetry, TimeProvider.System, cancellation);
            }
        }
    }
}
