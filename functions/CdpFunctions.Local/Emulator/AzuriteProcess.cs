using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace CdpFunctions.Local.Emulator;

/// <summary>How to run Azurite.</summary>
/// <param name="Folder">
/// Where the data is kept; the process then outlives this one, in a process group of its own. Null keeps the data in memory;
/// then the process ends with this one, however this one ends.
/// </param>
/// <param name="BlobPort">0 takes a free one, as for the other two.</param>
/// <param name="ExtraAccounts">Accounts besides the usual one, named <c>account0</c> and so on: storages of their own in one process.</param>
public sealed record AzuriteOptions(string? Folder, int BlobPort = 10000, int QueuePort = 10001, int TablePort = 10002, int ExtraAccounts = 0)
{
    public static AzuriteOptions InMemory { get; } = new(null, 0, 0, 0);
}

/// <summary>The storage emulator as a process: https://github.com/Azure/Azurite.</summary>
public sealed partial class AzuriteProcess : IAsyncDisposable
{
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    // Every minute Azurite collects the bodies of messages that are gone, one by one, and for each of them it sorts its index anew: after 6,000 messages everything
    // else waits for a quarter of a minute. To remove the one document keeps the index in order, and lets others in between. Another version of Azurite may not have
    // this place: then it stays as it is.
    private const string Collector = """
        try {
          const { dirname, join } = require('path');
          const { default: Extents } = require(join(dirname(process.argv[1]), 'common', 'persistence', 'LokiExtentMetadataStore'));
          Extents.prototype.deleteExtent = async function (id) {
            const extents = this.db.getCollection(this.EXTENTS_COLLECTION);
            const found = extents.findOne({ id });
            if (found) extents.remove(found);
            await new Promise(setImmediate);
          };
        } catch (missing) { console.error(missing); }

        """;

    // Ends with the pipe to its standard input, which the operating system closes when this process ends, however it ends.
    private const string Attached = Collector + "process.stdin.on('close', () => process.exit(0)).resume(); require(process.argv[1]);";

    // Node's "detached" is a session of its own on Unix and a process group of its own on Windows.
    private const string Launcher = """
        const [script, log, ...rest] = process.argv.slice(1);
        const out = require('fs').openSync(log, 'w');
        const child = require('child_process').spawn(process.execPath, ['-e', process.env.CDP_AZURITE_HOST, script, ...rest],
          { detached: true, windowsHide: true, stdio: ['ignore', out, out] });
        child.unref();
        console.log(child.pid);
        """;

    // Windows has no signals: a file asks for the orderly end, without which up to five seconds of data would be lost.
    private const string Detached = Collector + """
        const stop = require('path').join(process.argv[process.argv.indexOf('--location') + 1], 'azurite.stop');
        setInterval(() => { if (require('fs').existsSync(stop)) process.emit('SIGTERM'); }, 200).unref();
        require(process.argv[1]);
        """;

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly Process process;
    private readonly string? folder;

    private AzuriteProcess(Process process, string? folder, int[] ports)
    {
        this.process = process;
        this.folder = folder;
        ProcessId = process.Id;
        (BlobPort, QueuePort, TablePort) = (ports[0], ports[1], ports[2]);
    }

    public int ProcessId { get; }

    public int BlobPort { get; }

    public int QueuePort { get; }

    public int TablePort { get; }

    public string ConnectionString => ConnectionStringOf(Account);

    /// <param name="number">From 0, less than <see cref="AzuriteOptions.ExtraAccounts"/>.</param>
    public string ExtraConnectionString(int number) => ConnectionStringOf(ExtraAccount(number));

    /// <summary>Installs Azurite where needed, starts it, and waits until all three services answer.</summary>
    /// <exception cref="EmulatorException">It can't be installed or started.</exception>
    public static async Task<AzuriteProcess> StartAsync(AzuriteOptions options, Action<string> say, CancellationToken cancellation)
    {
        var script = await AzuriteInstallation.EnsureAsync(say, cancellation);
        foreach (var port in new[] { options.BlobPort, options.QueuePort, options.TablePort })
            RequireFree(port);
        string[] arguments =
        [
            "--silent", "--disableTelemetry", "--skipApiVersionCheck",
            "--blobPort", Text(options.BlobPort), "--queuePort", Text(options.QueuePort), "--tablePort", Text(options.TablePort),
        ];
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(StartTimeout);
        try
        {
            return options.Folder is null
                ? await StartAttachedAsync(script, arguments, options.ExtraAccounts, timeout.Token)
                : await StartDetachedAsync(script, arguments, Path.GetFullPath(options.Folder), timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new EmulatorException($"The storage emulator Azurite did not answer within {StartTimeout.TotalSeconds} seconds; end any node process that runs azurite.js, then start again.");
        }
    }

    /// <summary>Ends the process in order, so that all it was told is on disk.</summary>
    public async Task StopAsync()
    {
        if (process.HasExited)
            return;
        var stop = folder is null ? null : Path.Combine(folder, "azurite.stop");
        if (stop is null)
            process.StandardInput.Close();
        else
            await File.WriteAllTextAsync(stop, "");
        using var timeout = new CancellationTokenSource(StopTimeout);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new EmulatorException($"The storage emulator Azurite (process {ProcessId}) did not end within {StopTimeout.TotalSeconds} seconds.");
        }
        finally
        {
            if (stop is not null)
                File.Delete(stop);
        }
    }

    /// <summary>Ends a process with data in memory; one with data on disk stays, until <see cref="StopAsync"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (folder is null)
            await StopAsync();
        process.Dispose();
    }

    private static async Task<AzuriteProcess> StartAttachedAsync(string script, string[] arguments, int extraAccounts, CancellationToken cancellation)
    {
        var node = Process.Start(new ProcessStartInfo("node", ["-e", Attached, script, .. arguments, "--inMemoryPersistence"])
        {
            Environment = { ["AZURITE_ACCOUNTS"] = Accounts(extraAccounts) },
            WorkingDirectory = Path.GetTempPath(),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        var lines = new AzuriteOutput();
        node.OutputDataReceived += (_, line) => lines.Add(line.Data);
        node.ErrorDataReceived += (_, line) => lines.Add(line.Data);
        node.BeginOutputReadLine();
        node.BeginErrorReadLine();
        while (!lines.Ready)
        {
            if (node.HasExited)
                throw Failed(lines);
            await Task.Delay(Poll, TimeProvider.System, cancellation);
        }

        return new AzuriteProcess(node, null, lines.Ports);
    }

    private static async Task<AzuriteProcess> StartDetachedAsync(string script, string[] arguments, string folder, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        File.Delete(Path.Combine(folder, "azurite.stop"));
        var log = Path.Combine(folder, "azurite.log");
        var start = new ProcessStartInfo("node", ["-e", Launcher, script, log, .. arguments, "--location", folder])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment["CDP_AZURITE_HOST"] = Detached;
        using var launcher = Process.Start(start)!;
        var printed = await launcher.StandardOutput.ReadToEndAsync(cancellation);
        await launcher.WaitForExitAsync(cancellation);
        if (!int.TryParse(printed, NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var id))
            throw new EmulatorException("The storage emulator Azurite could not be started; run node --version to see whether Node.js works.");
        while (true)
        {
            var node = Find(id);
            var lines = new AzuriteOutput();
            await using (var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
            using (var reader = new StreamReader(stream))
            {
                while (await reader.ReadLineAsync(cancellation) is { } line)
                    lines.Add(line);
            }

            if (node is null)
                throw Failed(lines);
            if (lines.Ready)
                return new AzuriteProcess(node, folder, lines.Ports);
            node.Dispose();
            await Task.Delay(Poll, TimeProvider.System, cancellation);
        }
    }

    private static Process? Find(int id)
    {
        try
        {
            return Process.GetProcessById(id);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static EmulatorException Failed(AzuriteOutput output) =>
        new($"The storage emulator Azurite ended while starting: {output.Last}");

    private static void RequireFree(int port)
    {
        if (port == 0)
            return;
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port) { ExclusiveAddressUse = true };
            listener.Start();
        }
        catch (SocketException taken)
        {
            throw new EmulatorException($"Port {port}, which the storage emulator Azurite needs, is taken by another program; end that program, or set AzureWebJobsStorage to another storage account.", taken);
        }
    }

    private string ConnectionStringOf(string account) =>
        $"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={Key};BlobEndpoint=http://127.0.0.1:{BlobPort}/{account};QueueEndpoint=http://127.0.0.1:{QueuePort}/{account};TableEndpoint=http://127.0.0.1:{TablePort}/{account};";

    private static string ExtraAccount(int number) => "account" + Text(number);

    // https://github.com/Azure/Azurite#customized-storage-accounts--keys
    private static string Accounts(int extra) =>
        string.Join(';', Enumerable.Range(0, extra).Select(ExtraAccount).Prepend(Account).Select(account => $"{account}:{Key}"));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>What the process prints: a line with the address for each service that listens, in the order blob, queue, table.</summary>
    private sealed partial class AzuriteOutput
    {
        private readonly Lock gate = new();
        private readonly List<int> ports = [];

        public bool Ready
        {
            get
            {
                lock (gate)
                    return ports.Count == 3;
            }
        }

        public int[] Ports
        {
            get
            {
                lock (gate)
                    return [.. ports];
            }
        }

        public string Last { get; private set; } = "it said nothing.";

        public void Add(string? line)
        {
            if (string.IsNullOrWhiteSpace(line))
                return;
            lock (gate)
            {
                Last = line;
                if (Listening().Match(line) is { Success: true } match)
                    ports.Add(int.Parse(match.Groups["port"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture));
            }
        }

        [GeneratedRegex(@"successfully listening at http://[^:]+:(?<port>\d+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
        private static partial Regex Listening();
    }
}
