using System.Text;
using System.Text.Json;
using Cdp.Identity;
using Cdp.Imports;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Storage;

namespace Cdp.Tests.Imports;

public sealed class FileImporterTests
{
    private readonly ImportWorld world = new();

    [Fact]
    public async Task Columns_ArePaths_AndEmptyCellsAreAbsent()
    {
        var done = await world.ImportAsync("\uFEFF" + """"
            userId,event,properties.total:number,properties.item.name,traits.vip:boolean,timestamp
            u1,Order Completed,9.90,"Tent, ""large""",,2025-01-02T03:04:05Z

            u2,,,,true,

            """");

        Assert.Equal((ImportState.Done, 2, 2, 0, null), (done.State, done.Rows, done.Accepted, done.Rejected, done.Report));
        var events = await world.QueuedAsync();
        Assert.Equal(
            ["""{"type":"track","userId":"u1","event":"Order Completed","properties":{"total":9.90,"item":{"name":"Tent, \"large\""}},"originalTimestamp":"2025-01-02T03:04:05Z"}""",
             """{"type":"identify","userId":"u2","traits":{"vip":true}}"""],
            events.Select(Sent));
        Assert.All(events, static e => Assert.Equal("shop", e.GetProperty("sourceId").GetString()));
    }

    [Fact]
    public async Task WhatIsWrongWithARow_IsReportedWithItsLine_AndCostsNobodyElse()
    {
        var long120 = new string('x', 120);
        var file = Encoding.UTF8.GetBytes($"userId,traits.a\r\nu1,1\r\nu2\r\nu3,1,2\r\nu4,\"a\"b\r\n,1\r\nu5,\"\n\"\r\nu6,BAD\r\nu7,{long120}\r\n=u8\r\nu9,1");
        file.AsSpan().Replace((byte)'B', (byte)0xFF);
        var id = await world.StartAsync(file);
        await world.RunAsync(id);
        var done = (await world.Imports.GetAsync(id, default))!;

        Assert.Equal(["u1", "u5", "u9"], (await world.QueuedAsync()).Select(static e => e.GetProperty("userId").GetString()));
        Assert.Equal((10, 3, 7), (done.Rows, done.Accepted, done.Rejected));
        Assert.Equal(
            ["3 invalid-field It has 1 cells, and the header has 2. u2",
             "4 invalid-field It has 3 cells, and the header has 2. u3,1,2",
             "5 invalid-field Something stands behind the closing quote of cell 2. A quote inside of a quoted cell is written twice. u4,\"a\"b",
             "6 no-identity The event has no usable identifier: a userId, an anonymousId, an e-mail address in traits, or, in a merge call, one among mergeProperties. ,1",
             "9 invalid-field It is not UTF-8. Save the file in UTF-8. u6,\uFFFDAD",
             "10 event-too-large The record is longer than 100 bytes. Is a quote in it not closed? ",
             "11 invalid-field It has 1 cells, and the header has 2. '=u8"],
            world.Report(done).Select(static line => string.Join(' ', line)));
    }

    [Fact]
    public async Task JsonLines_AreCalls()
    {
        var done = await world.ImportAsync(
            """
            {"type":"track","event":"E","userId":"u1","messageId":"m1","x":1.50}

            {"type":"identify","userId":"u2"}
            [1]
            {"type":"identify","userId":"u3"},{"type":"identify","userId":"u4"}
            {"type":"identify","userId":"u5"
            {"type":"dance","userId":"u6"}
            {"type":"identify","userId":"u7","messageId":""}
            """,
            """{"sourceId":"shop","format":"jsonl"}""");

        var events = await world.QueuedAsync();
        Assert.Equal(["u1", "u2", "u7"], events.Select(static e => e.GetProperty("userId").GetString()));
        Assert.Equal("m1", events[0].GetProperty("messageId").GetString());
        Assert.All(events[1..], static e => Assert.Matches("^h_[0-9a-f]{32}$", e.GetProperty("messageId").GetString()!));
        Assert.Equal(["4 not-an-object", "5 not-json", "6 not-json", "7 unknown-type"], world.Report(done).Select(static line => $"{line[0]} {line[1]}"));
    }

    [Fact]
    public async Task AMapping_MakesEventsOfRowsAndLines()
    {
        const string Mapping = """{"events":[{"name":"person","type":"identify","userId":"$.No","traits":{"email":"$.Mail"}},{"name":"order","when":{"path":"$.Total","exists":true},"type":"track","event":"Ordered","userId":"$.No","properties":{"total":{"path":"$.Total","as":"number"}}}]}""";

        var rows = await world.ImportAsync("No,Mail,Total\n1,a@shop.example,9.90\n2,b@shop.example,\n3,c@shop.example,much\n", $$"""{"sourceId":"shop","format":"csv","mapping":{{Mapping}}}""");

        Assert.Equal((3, 4, 1), (rows.Rows, rows.Accepted, rows.Rejected));
        Assert.Equal(["4"], world.Report(rows).Select(static line => line[0]));
        Assert.Equal(
            ["""{"type":"identify","userId":"1","traits":{"email":"a@shop.example"}}""", """{"type":"track","userId":"1","event":"Ordered","properties":{"total":9.90}}""",
             """{"type":"identify","userId":"2","traits":{"email":"b@shop.example"}}""", """{"type":"identify","userId":"3","traits":{"email":"c@shop.example"}}"""],
            (await world.QueuedAsync()).Select(Sent));
        Assert.Equal(4, (await world.CountedAsync()).Count);

        var lines = await world.ImportAsync("{\"No\":\"1\",\"Mail\":\"a@shop.example\",\"Total\":\"9.90\"}\n{\"No\":5,\"No\":6}\n", $$"""{"sourceId":"shop","format":"jsonl","mapping":{{Mapping}}}""");

        Assert.Equal((2, 2, 1), (lines.Rows, lines.Accepted, lines.Rejected));
        // The same object is the same whatever file it comes in.
        Assert.Equal(4, (await world.CountedAsync()).Count);
    }

    [Fact]
    public void AMappingThatIsNone_IsRefusedBeforeAnythingIsUploaded()
    {
        using var json = JsonDocument.Parse("""{"sourceId":"shop","format":"csv","mapping":{"events":[{"type":"track"}]}}""");
        Assert.Equal(ProblemType.MappingInvalid, Assert.Throws<ProblemException>(() => ImportInput.Read(json.RootElement)).Problem.Type);
    }

    [Theory]
    [InlineData("userId,userId\nu,u\n", "twice")]
    [InlineData("userId,\nu,u\n", "no name")]
    [InlineData("userId,plan\nu,u\n", "'plan' is unknown")]
    [InlineData("userId,traits\nu,u\n", "'traits' is unknown")]
    [InlineData("userId,traits.a.\nu,u\n", "is unknown")]
    [InlineData("userId,traits.a,traits.a.b\nu,u,u\n", "inside of the other")]
    [InlineData("userId,traits.a:number,traits.a:text\nu,1,u\n", "inside of the other")]
    [InlineData("userId,traits.a:date\nu,1\n", "text, number or boolean")]
    [InlineData("\"userId\nu\n", "never closed")]
    [InlineData("\n\n", "no header")]
    [InlineData("", "empty")]
    [InlineData("PK\u0003\u0004 a spreadsheet", "Save it as plain text")]
    public async Task FilesThatCannotBeRead_FailWithAReason(string file, string reason)
    {
        var failed = await world.ImportAsync(file);

        Assert.Equal(ImportState.Failed, failed.State);
        Assert.Contains(reason, failed.Reason, StringComparison.Ordinal);
        Assert.Empty(await world.QueuedAsync());
    }

    [Fact]
    public async Task Utf16_IsSaid()
    {
        var id = await world.StartAsync([0xFF, 0xFE, (byte)'u', 0]);
        await world.RunAsync(id);
        Assert.Contains("UTF-16", (await world.Imports.GetAsync(id, default))!.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AQuoteThatIsNeverClosed_EndsTheImportThere_AndTheCorrectedFileBringsTheRest()
    {
        var failed = await world.ImportAsync("userId,traits.a\nu1,1\nu2,\"2\nu3,3\n");
        Assert.Equal((ImportState.Failed, 1), (failed.State, failed.Accepted));
        Assert.Contains("line 3", failed.Reason, StringComparison.Ordinal);

        var done = await world.ImportAsync("userId,traits.a\nu1,1\nu2,2\nu3,3\n");

        Assert.Equal((ImportState.Done, 3), (done.State, done.Accepted));
        Assert.Equal(["u1", "u2", "u3"], (await world.CountedAsync()).Values.Select(static e => e.GetProperty("userId").GetString()).Order());
    }

    [Fact]
    public async Task TheSameFileAgain_HasTheSameIds_WhateverItsLineBreaksAndQuotes()
    {
        await world.ImportAsync("userId,traits.a\nu1,1\nu1,1\nu2,2\n");
        await world.ImportAsync("userId,traits.a\r\n\"u1\",1\r\n\r\nu1,\"1\"\r\nu2,2");

        Assert.Equal(6, (await world.QueuedAsync()).Count);
        // Rows that are the same count once.
        Assert.Equal(2, (await world.CountedAsync()).Count);
    }

    [Fact]
    public async Task AFileThatIsReplacedMidway_Fails()
    {
        var id = await world.StartAsync(Rows(40));
        Assert.Equal(ImportProgress.Unfinished, await world.NewImporter().RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.Zero), default));
        await world.Store.PutAsync(ContainerName.Imports, (await world.Imports.GetAsync(id, default))!.FileName, Encoding.UTF8.GetBytes(Rows(40)), default);

        await world.RunAsync(id);

        var failed = (await world.Imports.GetAsync(id, default))!;
        Assert.Equal(ImportState.Failed, failed.State);
        Assert.Contains("replaced", failed.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADisabledSource_Fails_AndTheImportGoesOnWhenItIsStartedAgain()
    {
        var id = await world.StartAsync(Rows(20) + "bad\n" + Rows(40).Split("user-19,19\n")[1] + "bad\n");
        await world.NewImporter().RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.Zero), default);
        await world.Sources.PutAsync(new Source("shop", "Shop", "http", false, []), PutCondition.None, default);
        await world.RunAsync(id);
        var failed = (await world.Imports.GetAsync(id, default))!;
        Assert.Contains("disabled", failed.Reason, StringComparison.Ordinal);
        Assert.InRange(failed.Rows, 21, 40);
        Assert.Single(world.Report(failed));

        await world.Sources.PutAsync(new Source("shop", "Shop", "http", true, []), PutCondition.None, default);
        await world.Imports.StartAsync(id, default);
        await world.RunAsync(id);

        var done = (await world.Imports.GetAsync(id, default))!;
        Assert.Equal((ImportState.Done, 42, 40, 2, null), (done.State, done.Rows, done.Accepted, done.Rejected, done.Reason));
        Assert.Equal(40, (await world.QueuedAsync()).Count);
        Assert.Equal(["22", "43"], world.Report(done).Select(static line => line[0]));
        Assert.Equal([done.FileName, done.Report!], world.Store.Blobs(ContainerName.Imports).Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task WhileOthersEventsWait_TheImportWaits()
    {
        await world.Store.SendAsync(QueueName.Events, "live", null, default);
        world.Time.Advance(ImportLimits.OldestEvent + TimeSpan.FromSeconds(1));
        var id = await world.StartAsync(Rows(3));

        await world.NewProcessor().ProcessAsync(ImportMessage.Write(id), default);

        var again = Assert.Single(world.Store.Messages(QueueName.Imports));
        Assert.Equal((ImportMessage.Write(id), ImportLimits.Postponement), (again.Body, again.Delay));
        Assert.Equal(0, (await world.Imports.GetAsync(id, default))!.Rows);

        world.Store.Delete(world.Store.Receive(QueueName.Events)!);
        await world.NewProcessor().ProcessAsync(again.Body, default);

        Assert.Equal((ImportState.Done, 3), ((await world.Imports.GetAsync(id, default))!.State, (await world.Imports.GetAsync(id, default))!.Rows));
    }

    [Fact]
    public async Task TheReport_IsBounded_AndSaysHowManyAreMissing()
    {
        var small = new ImportWorld(ImportWorld.Small with { ReportBytes = 300 });

        var done = await small.ImportAsync("userId\n" + string.Concat(Enumerable.Range(0, 100).Select(static i => $"u{i},x\n")));

        Assert.Equal(100, done.Rejected);
        var reported = small.Report(done);
        Assert.InRange(reported.Count, 2, 6);
        Assert.Equal(100 - reported.Count, done.Unreported);
        Assert.Equal(Enumerable.Range(2, reported.Count).Select(static line => $"{line}"), reported.Select(static line => line[0]));
    }

    [Fact]
    public async Task Messages_OfTheStorageStartWhatWaits_AndNothingElse()
    {
        var waiting = await world.AnnounceAsync("""{"sourceId":"shop","format":"csv"}""");
        var byHand = await world.AnnounceAsync("""{"sourceId":"shop","format":"csv","startOnUpload":false}""");
        foreach (var import in new[] { waiting, byHand })
            await world.Store.PutAsync(ContainerName.Imports, import.FileName, "userId\nu1\n"u8.ToArray(), default);
        var processor = world.NewProcessor();

        await processor.ProcessAsync(Uploaded(waiting.FileName), default);
        await processor.ProcessAsync(Convert.ToBase64String(Encoding.UTF8.GetBytes(Uploaded(byHand.FileName))), default);
        await processor.ProcessAsync(Uploaded("reports/x.csv"), default);
        // Told twice.
        await processor.ProcessAsync($"[{Uploaded(waiting.FileName)}]", default);

        Assert.Equal(ImportState.Done, (await world.Imports.GetAsync(waiting.Id, default))!.State);
        Assert.Equal(ImportState.Waiting, (await world.Imports.GetAsync(byHand.Id, default))!.State);
        Assert.Single(await world.QueuedAsync());
        await Assert.ThrowsAsync<FormatException>(() => processor.ProcessAsync("""{"x":1}""", default));
        await Assert.ThrowsAsync<FormatException>(() => processor.ProcessAsync("?", default));

        // A link outlives its import.
        await processor.DeleteAsync(byHand.Id, default);
        await world.Store.PutAsync(ContainerName.Imports, byHand.FileName, "userId\nu1\n"u8.ToArray(), default);
        await processor.ProcessAsync(Uploaded(byHand.FileName), default);
        Assert.DoesNotContain(byHand.FileName, world.Store.Blobs(ContainerName.Imports).Keys);
    }

    [Fact]
    public async Task TheTimer_BringsBackWhatStandsStill_AndForgetsWhatIsLongPast()
    {
        var stalled = await world.StartAsync(Rows(3));
        var done = await world.ImportAsync("userId\nu1,x\n");
        var processor = world.NewProcessor();
        await processor.SweepAsync(default);
        Assert.Empty(world.Store.Messages(QueueName.Imports));

        world.Time.Advance(ImportLimits.Stalled + TimeSpan.FromSeconds(1));
        await processor.SweepAsync(default);
        Assert.Equal(ImportMessage.Write(stalled), Assert.Single(world.Store.Messages(QueueName.Imports)).Body);

        world.Time.Advance(ImportLimits.Kept);
        await processor.SweepAsync(default);
        Assert.Null(await world.Imports.GetAsync(done.Id, default));
        Assert.DoesNotContain(world.Store.Blobs(ContainerName.Imports).Keys, name => name.Contains(done.Id, StringComparison.Ordinal));
        Assert.NotNull(await world.Imports.GetAsync(stalled, default));
    }

    [Fact]
    public async Task TheTimer_StartsWhatWasUploaded_WhereNobodySaidSo()
    {
        var uploaded = await world.AnnounceAsync("""{"sourceId":"shop","format":"csv"}""");
        var byHand = await world.AnnounceAsync("""{"sourceId":"shop","format":"csv","startOnUpload":false}""");
        var missing = await world.AnnounceAsync("""{"sourceId":"shop","format":"csv"}""");
        foreach (var import in new[] { uploaded, byHand })
            await world.Store.PutAsync(ContainerName.Imports, import.FileName, "userId\nu1\n"u8.ToArray(), default);
        world.Time.Advance(ImportLimits.Stalled + TimeSpan.FromSeconds(1));

        await world.NewProcessor().SweepAsync(default);

        Assert.Equal(ImportMessage.Write(uploaded.Id), Assert.Single(world.Store.Messages(QueueName.Imports)).Body);
        Assert.Equal(ImportState.Running, (await world.Imports.GetAsync(uploaded.Id, default))!.State);
        Assert.All([byHand, missing], import => Assert.Equal(ImportState.Waiting, world.Imports.GetAsync(import.Id, default).GetAwaiter().GetResult()!.State));
    }

    [Fact]
    public async Task AMessageThatIsGivenUp_IsSaidInItsImport_WhichGoesOnWhenItIsStarted()
    {
        var id = await world.StartAsync("userId\nu1,x\n" + string.Concat(Enumerable.Range(0, 60).Select(static i => $"user-{i}\n")) + "u2,x\n");
        await world.NewImporter().RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.Zero), default);
        var processor = world.NewProcessor();
        await processor.GiveUpAsync(ImportMessage.Write(id), default);
        Assert.Equal(ImportState.Failed, (await world.Imports.GetAsync(id, default))!.State);

        await processor.StartAsync(id, default);
        await processor.ProcessAsync(Assert.Single(world.Store.Messages(QueueName.Imports)).Body, default);

        var done = (await world.Imports.GetAsync(id, default))!;
        Assert.Equal((ImportState.Done, 62, 60, 2), (done.State, done.Rows, done.Accepted, done.Rejected));
        Assert.Equal(["2", "63"], world.Report(done).Select(static line => line[0]));
        // It was done already when somebody gave it up.
        await processor.GiveUpAsync(ImportMessage.Write(id), default);
        Assert.Equal(ImportState.Done, (await world.Imports.GetAsync(id, default))!.State);
    }

    [Fact]
    public async Task DeletedWhileItRuns_NothingIsLeft()
    {
        var id = await world.StartAsync("userId\nu1,x\n" + Rows(40).Split('\n', 2)[1]);
        await world.NewImporter().RunAsync(id, new Deadline(TimeProvider.System, TimeSpan.Zero), default);
        var deleted = false;
        world.Store.Before = async call =>
        {
            if (deleted || call.Operation != Storage.StoreOperation.Commit || call.Keys[0] != id)
                return;
            deleted = true;
            await world.NewProcessor().DeleteAsync(id, default);
        };

        Assert.Equal(ImportProgress.Done, await world.RunAsync(id));

        Assert.True(deleted);
        Assert.Null(await world.Imports.GetAsync(id, default));
        Assert.Empty(world.Store.Blobs(ContainerName.Imports));
    }

    [Fact]
    public void Requests_NameWhatIsWrongWithThem()
    {
        using var json = JsonDocument.Parse("""{"format":"jsonl","delimiter":",","startOnUpload":"yes","x":1}""");
        var refused = Assert.Throws<ProblemException>(() => ImportInput.Read(json.RootElement)).Problem;
        Assert.Equal(["sourceId", "delimiter", "startOnUpload", "x"], refused.Errors!.Select(static error => error.Path));
    }

    internal static string Rows(int count) => "userId,traits.n:number\n" + string.Concat(Enumerable.Range(0, count).Select(static i => $"user-{i},{i}\n"));

    private static string Uploaded(string blob) =>
        $$"""{"subject":"/blobServices/default/containers/imports/blobs/{{blob}}","eventType":"Microsoft.Storage.BlobCreated","id":"1","data":{},"eventTime":"2026-01-02T03:04:05Z"}""";

    /// <summary>Without what the server adds.</summary>
    private static string Sent(JsonElement e)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            foreach (var member in e.EnumerateObject().OrderBy(static member => Array.IndexOf(["type", "userId", "event", "properties", "traits"], member.Name) is var i and >= 0 ? i : 9))
            {
                if (member.Name is not ("messageId" or "sourceId" or "timestamp" or "receivedAt"))
                    member.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
