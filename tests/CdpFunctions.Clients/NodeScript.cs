using System.Diagnostics;

namespace CdpFunctions.Clients;

/// <summary>Runs a script of the folder Node, as a user's server program would use an SDK.</summary>
internal static class NodeScript
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <param name="file">Its name.</param>
    /// <param name="host">The app's address, the script's only argument.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<string> RunAsync(string file, string host)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(ClientPackages.Folder, file), host])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["NODE_PATH"] = await ClientPackages.ModulesAsync();
        start.Environment["NO_PROXY"] = "127.0.0.1";
        using var node = Process.Start(start)!;
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var output = node.StandardOutput.ReadToEndAsync(patience.Token);
            var errors = node.StandardError.ReadToEndAsync(patience.Token);
            await node.WaitForExitAsync(patience.Token);
            return node.ExitCode == 0 ? await output : throw new InvalidOperationException($"{file} ended with {node.ExitCode}: {await errors}{await output}");
        }
        finally
        {
            if (!node.HasExited)
                node.Kill(entireProcessTree: true);
        }
    }
}
