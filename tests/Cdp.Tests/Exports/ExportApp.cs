using System.Text.Json;
using Cdp.Exports;
using Cdp.Identity;
using Cdp.Ids;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using Cdp.Storage;
using Cdp.Tests.Processing;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Exports;

/// <summary>All of the app that exports, over a storage that fails where a test wants it to.</summary>
internal sealed class ExportApp
{
    public const string Gold = """{"trait":"plan","eq":"gold"}""";

    public ExportApp(string? schedule = null, ExportApp? sharing = null)
    {
        Time = sharing?.Time ?? new SettableTime(World.TestStart);
        Store = sharing?.Store ?? new FakeStore(Time);
        var ids = new IdGenerator(Time);
        Definitions = new DefinitionStore(Store, Time);
        Exports = new ExportStore(Store, ids, Time);
        Segments = new ProfileSegmentsReader(Store, new DefinitionsRegistry(Definitions, Time), Time);
        Members = new StoredMembers(Store, Definitions, Segments);
        Starter = new ExportStarter(Exports, Definitions, IdentityRulesRegistry.Of(IdentityRules.Default), Store);
        Scheduler = new ExportScheduler(Exports, Starter, Definitions, new ProfilesExport(schedule), Time);
        Processor = new ExportProcessor(Exports, new SegmentExporter(Exports, Store, Members, ids, Time, ExportWorld.Small), Starter, Definitions, Time);
    }

    public SettableTime Time { get; }

    public FakeStore Store { get; }

    public DefinitionStore Definitions { get; }

    public ExportStore Exports { get; }

    public ProfileSegmentsReader Segments { get; }

    public StoredMembers Members { get; }

    public ExportStarter Starter { get; }

    public ExportScheduler Scheduler { get; }

    public ExportProcessor Processor { get; }

    public IReadOnlyList<string> Queued => [.. Store.Messages(QueueName.Exports).Select(static message => message.Body)];

    public async Task DefineAsync(string id, string where = Gold, string? export = null)
    {
        using var json = JsonDocument.Parse($$"""{"id":"{{id}}","where":{{where}}{{(export is null ? "" : ",\"export\":" + export)}}}""");
        await Definitions.PutSegmentAsync(json.RootElement.Clone(), static _ => { }, default);
    }

    public async Task AddAsync(params IEnumerable<(int Number, string Plan)> people) =>
        await StoredPeople.WriteAsync(
            Store, await Definitions.LoadAsync(default), people.Select(static p => (StoredPeople.Id(p.Number), StoredPeople.Identify(p.Number, p.Plan))), Cdp.Events.Instant.Now(Time));

    public async Task ChangeAsync(int number, string plan, string? name = null) =>
        await StoredPeople.ChangeAsync(Store, await Definitions.LoadAsync(default), StoredPeople.Id(number), StoredPeople.Identify(number, plan, name, second: 1), Cdp.Events.Instant.Now(Time));

    public async Task<ExportDocument> AskAsync(string json, string segment = "gold")
    {
        using var body = JsonDocument.Parse(json);
        return segment == ExportRequest.AllProfiles
            ? await Starter.StartAllAsync(body.RootElement, default)
            : await Starter.StartAsync(segment, body.RootElement, default);
    }

    /// <summary>Works until there are no messages left, as the host does.</summary>
    public async Task WorkAsync()
    {
        while (Store.Receive(QueueName.Exports) is { } message)
        {
            await Processor.ProcessAsync(message.Body, default);
            Store.Delete(message);
        }
    }

    public ExportedFiles? Read(ExportDocument export) => ExportedFiles.Read(Store.Blobs(ContainerName.Exports), export.Folder);

    public async Task<IReadOnlyList<ExportDocument>> ListAsync(string segment = "gold", string? after = null) => await Exports.ListAsync(segment, after, default).ToListAsync();

    /// <summary>The ids, as they come.</summary>
    public async Task<List<string>> MembersAsync(ExportRequest request, string? after = null) =>
        await Members.ReadAsync(request, after, default).Select(static member => member.Profile.Id.Value).ToListAsync();

    public static IEnumerable<string> InOrder(IEnumerable<int> numbers) =>
        numbers.Select(StoredPeople.Id).OrderBy(MemberKey.Of, StringComparer.Ordinal).Select(static id => id.Value);

    public Task RemoveAsync(ProfileId id, string key) => Store.CommitAsync(TableName.Profiles, id.Shard, [RowWrite.Delete(key)], default);
}
