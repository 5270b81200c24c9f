using System.Diagnostics.Metrics;
using Azure.Core;
using Azure.Core.Pipeline;
using Cdp.Stats;
using Cdp.Storage;
using CdpFunctions;
using CdpFunctions.Local.Runtime;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Cdp.Benchmarks;

/// <summary>The whole app in this process, where its commits and storage calls can be counted.</summary>
internal sealed class AppInProcess : IAsyncDisposable
{
    private readonly LocalHost host;
    private readonly MeterListener listener = new();
    private long committed;

    private AppInProcess(LocalHost host)
    {
        this.host = host;
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == Telemetry.MeterName && instrument.Name == "cdp.events.committed")
                l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref committed, count));
        listener.Start();
    }

    public Uri Address => host.Address;

    public long Committed => Volatile.Read(ref committed);

    public required RecordingRowStore Rows { get; init; }

    public required CountingPolicy Calls { get; init; }

    public static async Task<AppInProcess> StartAsync(string storage)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, storage)]).Build();
        var policy = new CountingPolicy();
        var clients = StorageClients.Create(configuration, policy);
        var rows = new RecordingRowStore(new TableRowStore(clients.Tables));
        var started = await LocalHost.StartAsync(new LocalHostOptions
        {
            Configuration = configuration,
            Host = HostSettings.Load(AppContext.BaseDirectory),
            FunctionTypes = typeof(CdpApplication).Assembly.GetTypes(),
            ConfigureServices = (services, c) => services.AddCdp(c).AddSingleton(clients).AddSingleton<IRowStore>(rows),
            InitializeAsync = CdpApplication.InitializeAsync,
            ConfigureQueueClients = options => options.AddPolicy(policy, HttpPipelinePosition.PerCall),
            ConfigureLogging = logging => logging.SetMinimumLevel(LogLevel.None),
        });
        return new AppInProcess(started) { Rows = rows, Calls = policy };
    }

    public async Task WaitForAsync(long events)
    {
        while (Committed < events)
            await Task.Delay(1);
    }

    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        await host.DisposeAsync();
    }
}

/// <summary>Counts calls to the storage in the client pipeline, by service and method.</summary>
internal sealed class CountingPolicy : HttpPipelineSynchronousPolicy
{
    private readonly Dictionary<string, int> counts = new(StringComparer.Ordinal);

    public override void OnSendingRequest(HttpMessage message)
    {
        var host = message.Request.Uri;
        // The emulator's services differ by port, in the order blob, queue, table.
        var name = $"{host.Port} {message.Request.Method}";
        lock (counts)
            counts[name] = counts.GetValueOrDefault(name) + 1;
    }

    public Dictionary<string, int> Take()
    {
        lock (counts)
        {
            var taken = new Dictionary<string, int>(counts, StringComparer.Ordinal);
            counts.Clear();
            return taken;
        }
    }
}
