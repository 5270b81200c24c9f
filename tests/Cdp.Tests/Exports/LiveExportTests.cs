using System.Text.Json;
using Cdp.Exports;
using Cdp.Problems;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Exports;

/// <summary>Exports from the call or the timer to the files, through queue, rows and documents.</summary>
public sealed class LiveExportTests
{
    private const string Daily = """{"schedule":"0 0 6 * * *","fields":["email","traits.plan"]}""";

    private static readonly TimeSpan UntilSix = new(0, 53, 53);

    [Fact]
    public async Task Schedule_FiresOnce_WhenItIsTime_WhoeverLooks()
    {
        var app = new ExportApp();
        var other = new ExportApp(sharing: app);
        await app.DefineAsync("gold", export: Daily);
        await app.DefineAsync("never");
        await app.AddAsync((1, "gold"), (2, "basic"));
        await app.Scheduler.StartDueAsync(default);
        Assert.Empty(app.Queued);

        app.Time.Advance(UntilSix);
        await Task.WhenAll(app.Scheduler.StartDueAsync(default), other.Scheduler.StartDueAsync(default));
        await other.Scheduler.StartDueAsync(default);
        var export = Assert.Single(await app.ListAsync());
        Assert.Equal([export.Id], app.Queued);
        await app.WorkAsync();
        var row = Assert.Single(app.Read(export)!.Rows);
        Assert.Equal(("person1@shop.example", "gold"), (row["email"], row["traits.plan"]));

        app.Time.Advance(TimeSpan.FromDays(1));
        await app.Scheduler.StartDueAsync(default);
        Assert.Equal(2, (await app.ListAsync()).Count);
        Assert.Equal(export.Id, (await app.ListAsync(after: ExportStore.ListPosition((await app.ListAsync())[0])))[0].Id);
    }

    /// <summary>Somebody who changes a definition at noon does not want the export of six o'clock.</summary>
    [Fact]
    public async Task Schedule_IsObeyedFromWhenItWasPut_AndAfterAnOutage()
    {
        var app = new ExportApp();
        app.Time.Advance(UntilSix + TimeSpan.FromHours(1));
        await app.DefineAsync("gold", export: Daily);
        await app.Scheduler.StartDueAsync(default);
        Assert.Empty(app.Queued);

        // Nobody looked from before six until nine.
        app.Time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromHours(2));
        await app.Scheduler.StartDueAsync(default);
        Assert.Single(app.Queued);
    }

    [Fact]
    public async Task ATimerThatDies_BeforeTheMessage_IsMadeUpFor()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold", export: Daily);
        await app.AddAsync((1, "gold"));
        app.Time.Advance(UntilSix);
        app.Store.Before = static call => call.Operation == StoreOperation.SendMessage ? throw new SimulatedCrashException(call) : Task.CompletedTask;
        await Assert.ThrowsAsync<SimulatedCrashException>(() => app.Scheduler.StartDueAsync(default));
        app.Store.Before = null;
        await app.Scheduler.StartDueAsync(default);
        await app.Scheduler.ResumeAsync(default);
        Assert.Empty(app.Queued);

        app.Time.Advance(ExportScheduler.StandsStill + TimeSpan.FromSeconds(1));
        await app.Scheduler.ResumeAsync(default);
        await app.WorkAsync();

        Assert.Equal(ExportState.Done, Assert.Single(await app.ListAsync()).State);
        await app.Scheduler.ResumeAsync(default);
        Assert.Empty(app.Queued);
    }

    /// <summary>However often it dies, and with a second message each time.</summary>
    [Fact]
    public async Task AWorkerThatDies_AtAnyCall_LeavesNothingBehind()
    {
        for (var crash = 1; ; crash++)
        {
            var app = new ExportApp();
            await app.DefineAsync("gold");
            await app.AddAsync(Enumerable.Range(0, 30).Select(static i => (i, i % 3 == 0 ? "basic" : "gold")));
            var export = await app.AskAsync($$"""{"fields":{{JsonSerializer.Serialize(StoredPeople.Fields)}}}""");
            // Reads are the same before and after each other; what matters are the writes.
            var left = crash;
            app.Store.Before = call => call.Operation is StoreOperation.Commit or StoreOperation.PutBlob or StoreOperation.DeleteBlob && --left == 0
                ? throw new SimulatedCrashException(call)
                : Task.CompletedTask;
            var message = app.Store.Receive(QueueName.Exports)!;
            var died = await Record.ExceptionAsync(() => app.Processor.ProcessAsync(message.Body, default)) is SimulatedCrashException;
            app.Store.Before = null;
            app.Store.Release(message);
            if (died)
                Assert.True(app.Read(export) is null or { Rows.Count: 20 });
            await app.WorkAsync();

            Assert.Equal(
                ExportApp.InOrder(Enumerable.Range(0, 30).Where(static i => i % 3 != 0)), app.Read(export)!.Rows.Select(static row => row["profileId"]));
            Assert.All(app.Read(export)!.Rows, static row => Assert.Equal(StoredPeople.Row(int.Parse(row["profileId"][4..], null)), row));
            if (died)
                continue;
            // The claim, three parts with what a delta needs, their rows, the manifest, the end.
            Assert.InRange(crash, 10, 100);
            break;
        }
    }

    [Fact]
    public async Task ADelta_HasWhoCameWentAndChanged()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync(Enumerable.Range(0, 30).Select(static i => (i, i < 20 ? "gold" : "basic")));
        const string Asked = """{"mode":"delta","fields":["email","traits.name","traits.plan"]}""";
        var first = await app.AskAsync(Asked);
        await app.WorkAsync();
        Assert.All(app.Read(first)!.Rows, static row => Assert.Equal("entered", row["change"]));
        app.Time.Advance(TimeSpan.FromHours(1));
        await app.ChangeAsync(3, "basic", "x");
        await app.ChangeAsync(5, "gold", "=1+1");
        await app.ChangeAsync(25, "gold");

        var second = await app.AskAsync(Asked);
        await app.WorkAsync();

        Assert.Equal(
            [("entered", 25, "gold", "Ann \"25\", the\nfirst"), ("exited", 3, "basic", "x"), ("updated", 5, "gold", "'=1+1")],
            app.Read(second)!.Rows.Select(static row => (row["change"], int.Parse(row["profileId"][4..], null), row["traits.plan"], row["traits.name"])).Order());
    }

    [Fact]
    public async Task AllProfiles_WithEverything()
    {
        var app = new ExportApp(schedule: "0 0 6 * * *");
        await app.DefineAsync("gold");
        await app.AddAsync((1, "gold"), (2, "basic"));
        app.Time.Advance(UntilSix);
        await app.Scheduler.StartDueAsync(default);
        await app.WorkAsync();

        var export = Assert.Single(await app.ListAsync(ExportRequest.AllProfiles));
        Assert.StartsWith("_profiles/20260304T060000000Z/", export.Folder, StringComparison.Ordinal);
        var files = app.Read(export)!;
        Assert.False(files.Manifest.TryGetProperty("definitionVersion", out _));
        var rows = files.Rows.ToDictionary(static row => row["profileId"].Trim('"'));
        var ann = rows[StoredPeople.Id(1).Value];
        Assert.Equal("""{"email":["person1@shop.example"],"phone":["+491500000001"],"user_id":["u1"]}""", ann["identifiers"]);
        Assert.Equal("\"Ann \\\"1\\\", the\\nfirst\"", JsonDocument.Parse(ann["traits"]).RootElement.GetProperty("name").GetRawText().Replace("\\u0022", "\\\"", StringComparison.Ordinal));
        Assert.Equal(("""["gold"]""", "\"2026-01-02T03:04:05.000Z\"", "\"2026-01-03T03:04:05.000Z\""), (ann["segments"], ann["firstSeenAt"], ann["createdAt"]));
        Assert.Equal("""{"frequency":0,"monetary":0}""", ann["computedTraits"]);
        Assert.False(rows[StoredPeople.Id(2).Value].ContainsKey("segments"));

        // Off: nothing by itself, and on demand as ever.
        var off = new ExportApp(sharing: app);
        app.Time.Advance(TimeSpan.FromDays(1));
        await off.Scheduler.StartDueAsync(default);
        Assert.Empty(off.Queued);
        var asked = await off.AskAsync("""{"format":"csv","fields":["email"]}""", ExportRequest.AllProfiles);
        await off.WorkAsync();
        Assert.Equal(2, off.Read(asked)!.Rows.Count);
    }

    [Fact]
    public async Task WhatTheCallDoesNotSay_TheDefinitionDoes_AndWhatNobodyKnowsIsRefused()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold", export: """{"format":"jsonl","mode":"delta","compression":"none","fields":["email"]}""");
        var started = (await app.AskAsync("{}")).Request;
        Assert.Equal(("jsonl", "delta", "none", "email"), (started.Format, started.Mode, started.Compression, started.Columns[1].Name));
        Assert.Equal(("csv", "delta"), ((await app.AskAsync("""{"format":"csv"}""")).Request is var second ? (second.Format, second.Mode) : default));

        var refused = await Assert.ThrowsAsync<ProblemException>(() => app.AskAsync("""{"format":"xlsx","mode":1,"field":[]}"""));
        Assert.Equal((ProblemType.InvalidField, "format mode field"), (refused.Problem.Type, string.Join(' ', refused.Problem.Errors!.Select(static e => e.Path))));
        refused = await Assert.ThrowsAsync<ProblemException>(() => app.AskAsync("""{"fields":["email","orders","nothing[]"]}"""));
        Assert.Equal("fields[1] fields[2]", string.Join(' ', refused.Problem.Errors!.Select(static e => e.Path)));
        Assert.Equal(ProblemType.NotFound, (await Assert.ThrowsAsync<ProblemException>(() => app.AskAsync("{}", "nobody"))).Problem.Type);
    }

    [Fact]
    public async Task TooManyAtOnce_AreRefused_AndOneSegmentDoesNotHoldUpTheOthers()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold", export: Daily);
        await app.DefineAsync("silver", export: Daily);
        for (var i = 0; i < ExportStore.MostRunning; i++)
            await app.AskAsync("{}");
        Assert.Equal(ProblemType.RateLimited, (await Assert.ThrowsAsync<ProblemException>(() => app.AskAsync("{}"))).Problem.Type);
        app.Time.Advance(UntilSix);

        await Assert.ThrowsAsync<AggregateException>(() => app.Scheduler.StartDueAsync(default));
        Assert.Single(await app.ListAsync("silver"));
        await app.WorkAsync();
        await app.Scheduler.StartDueAsync(default);
        Assert.Equal(ExportStore.MostRunning + 1, (await app.ListAsync()).Count);
    }

    [Fact]
    public async Task ADeletedSegment_AndAPoisonedMessage_FailTheExport_AndAStrangeMessageDoesNothing()
    {
        var app = new ExportApp();
        await app.DefineAsync("gold");
        await app.AddAsync((1, "gold"));
        var poisoned = await app.AskAsync("{}");
        await app.Processor.GiveUpAsync(poisoned.Id, default);
        Assert.Equal((ExportState.Failed, "It failed every time it was tried. Start another one."), ((await app.Exports.GetAsync(poisoned.Id, default))! is var p ? (p.State, p.Reason) : default));
        var export = await app.AskAsync("{}");
        await app.Definitions.DeleteSegmentAsync("gold", static _ => { }, default);
        await app.WorkAsync();
        Assert.Equal((ExportState.Failed, "The segment was deleted."), ((await app.Exports.GetAsync(export.Id, default))! is var e ? (e.State, e.Reason) : default));

        foreach (var strange in new[] { "", "exp_", "exp_01M80MB3VW9ZRT9GXD34FPVNCQ", "a/b?c" })
        {
            await app.Processor.ProcessAsync(strange, default);
            await app.Processor.GiveUpAsync(strange, default);
        }
    }
}
