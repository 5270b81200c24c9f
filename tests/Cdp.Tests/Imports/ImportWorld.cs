using System.Text;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Imports;
using Cdp.Sources;
using Cdp.Storage;
using Cdp.Tests.Exports;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;
using Cdp.TrackingPlans;

namespace Cdp.Tests.Imports;

/// <summary>A source, its imports and a storage that fails where a test wants it to.</summary>
public sealed class ImportWorld
{
    /// <summary>Small, so that a few rows make many chunks and batches.</summary>
    public static readonly ImportLimits Small = new() { ChunkBytes = 256, RecordBytes = 100, BatchEvents = 3, Batches = 2 };

    private readonly ImportLimits limits;

    public ImportWorld(ImportLimits? limits = null)
    {
        this.limits = limits ?? Small;
        Store = new FakeStore(Time);
        Sources = new SourceStore(Store);
        Sources.PutAsync(new Source("shop", "Shop", "http", true, []), PutCondition.IsNew, default).GetAwaiter().GetResult();
        Imports = new ImportStore(Store, new IdGenerator(Time), Time);
    }

    public SettableTime Time { get; } = new(DateTimeOffset.Parse("2026-03-01T06:00:00Z", System.Globalization.CultureInfo.InvariantCulture));

    public FakeStore Store { get; }

    public SourceStore Sources { get; }

    public ImportStore Imports { get; }

    /// <summary>A process of its own.</summary>
    public FileImporter NewImporter() => new(Imports, Sources, NewCollector(Store), Store, Store, new IdGenerator(Time), Time, limits);

    public ImportProcessor NewProcessor() => new(Imports, NewImporter(), Store, Store, Time);

    public Collector NewCollector(IMessageQueue queue)
    {
        var ids = new IdGenerator(Time);
        return new Collector(
            new SourceRegistry(Sources, Time), new SourceRateLimiter(Time), new EventQueueWriter(queue, Store, ids), IdentityRulesRegistry.Of(IdentityRules.Default),
            new ViolationRecorder(Store), Time, ids);
    }

    /// <summary>Announces a file, puts it there, and starts it.</summary>
    public async Task<string> StartAsync(byte[] file, string request = """{"sourceId":"shop","format":"csv"}""")
    {
        var import = await AnnounceAsync(request);
        await Store.PutAsync(ContainerName.Imports, import.FileName, file, default);
        await Imports.StartAsync(import.Id, default);
        return import.Id;
    }

    public Task<string> StartAsync(string file, string request = """{"sourceId":"shop","format":"csv"}""") => StartAsync(Encoding.UTF8.GetBytes(file), request);

    public async Task<ImportDocument> AnnounceAsync(string request)
    {
        using var json = JsonDocument.Parse(request);
        return await Imports.CreateAsync(ImportInput.Read(json.RootElement.Clone()), default);
    }

    public Task<ImportProgress> RunAsync(string id) => NewImporter().RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.MaxValue), default);

    /// <summary>Runs an import to its end.</summary>
    public async Task<ImportDocument> ImportAsync(string file, string request = """{"sourceId":"shop","format":"csv"}""")
    {
        var id = await StartAsync(file, request);
        Assert.Equal(ImportProgress.Done, await RunAsync(id));
        return (await Imports.GetAsync(id, default))!;
    }

    /// <summary>The events in the queue, those that were queued twice too.</summary>
    public async Task<List<JsonElement>> QueuedAsync()
    {
        var events = new List<JsonElement>();
        foreach (var message in Store.Messages(QueueName.Events))
        {
            foreach (var collected in await EventMessageCodec.DecodeAsync(message.Body, Store, default))
            {
                Assert.True(collected.Historical);
                events.Add(JsonDocument.Parse(collected.Json).RootElement);
            }
        }

        return events;
    }

    /// <summary>The events as they count: each messageId once.</summary>
    public async Task<Dictionary<string, JsonElement>> CountedAsync() =>
        (await QueuedAsync()).GroupBy(static e => e.GetProperty("messageId").GetString()!).ToDictionary(static same => same.Key, static same => same.First(), StringComparer.Ordinal);

    /// <summary>Line, type, detail and record of each rejection.</summary>
    public List<string[]> Report(ImportDocument import)
    {
        if (import.Report is null)
            return [];
        var records = CsvText.Parse(Store.Blobs(ContainerName.Imports)[import.Report]);
        Assert.Equal(["line", "type", "detail", "record"], records[0]);
        return records[1..];
    }
}
