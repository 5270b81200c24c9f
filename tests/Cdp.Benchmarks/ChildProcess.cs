using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Cdp.Benchmarks;

/// <summary>A server in a process of its own, so that its CPU time and memory can be told from the load's.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process process;

    private ChildProcess(Process process, Uri address, TimeSpan ready)
    {
        this.process = process;
        Address = address;
        ReadyAfter = ready;
    }

    public Uri Address { get; }

    /// <summary>From the start of the process to its first answer.</summary>
    public TimeSpan ReadyAfter { get; }

    public TimeSpan CpuTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>The most physical memory it ever had, in MB.</summary>
    public double PeakMegabytes
    {
        get
        {
            process.Refresh();
            return process.PeakWorkingSet64 / 1e6;
        }
    }

    public double Megabytes
    {
        get
        {
            process.Refresh();
            return process.WorkingSet64 / 1e6;
        }
    }

    public static async Task<ChildProcess> StartBareAsync()
    {
        var clock = Stopwatch.StartNew();
        var server = Start(["dotnet", typeof(ChildProcess).Assembly.Location, "serve-bare"], new Dictionary<string, string>(StringComparer.Ordinal));
        var address = await server.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The bare server did not start.");
        return new ChildProcess(server, new Uri(address), clock.Elapsed);
    }

    public static async Task<ChildProcess> StartAppAsync(string storage, IReadOnlyDictionary<string, string>? settings = null)
    {
        var port = FreePort();
        var environment = new Dictionary<string, string>(settings ?? new Dictionary<string, string>(StringComparer.Ordinal), StringComparer.Ordinal) { ["AzureWebJobsStorage"] = storage };
        var clock = Stopwatch.StartNew();
        var dll = Path.Combine(AppContext.BaseDirectory, "CdpFunctions.Local.dll");
        var app = Start(["dotnet", dll, "--port", $"{port}"], environment);
        app.OutputDataReceived += static (_, _) => { };
        app.BeginOutputReadLine();
        var address = new Uri($"http://127.0.0.1:{port}/");
        using var http = new HttpClient { BaseAddress = address };
        while (true)
        {
            if (app.HasExited)
                throw new InvalidOperationException($"The app ended: {await app.StandardError.ReadToEndAsync()}");
            try
            {
                using var response = await http.GetAsync("healthz");
                if (response.IsSuccessStatusCode)
                    return new ChildProcess(app, address, clock.Elapsed);
            }
            catch (HttpRequestException)
            {
                await Task.Delay(10);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private static Process Start(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
