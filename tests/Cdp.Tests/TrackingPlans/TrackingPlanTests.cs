using System.Buffers;
using System.Text;
using System.Text.Json;
using Cdp.Collect;
using Cdp.Events;
using Cdp.Problems;
using Cdp.Sources;
using Cdp.Storage;
using Cdp.Tests.Collect;
using Cdp.TrackingPlans;

namespace Cdp.Tests.TrackingPlans;

public sealed class TrackingPlanTests
{
    private const string Plan = """
        {"onViolation":"block","unplanned":"block","events":[
          {"event":"Order Completed","properties":[
            {"path":"properties.total","types":["number"],"required":true},
            {"path":"properties.when","types":["time"]},
            {"path":"properties.note","types":["string"]},
            {"path":"properties.coupon","types":["string","number"]},
            {"path":"properties.cart.id","required":true},
            {"path":"properties.products[].sku","types":["string"],"required":true},
            {"path":"properties.tags[]","types":["string"]},
            {"path":"context.campaign.source","types":["string"]}]},
          {"event":"Lax","onViolation":"allow","properties":[{"path":"properties.a","types":["boolean"]}]},
          {"event":"$identify","properties":[{"path":"traits.plan","types":["string"],"required":true}]}]}
        """;

    [Theory]
    [InlineData("""{"properties":{"total":1,"cart":{"id":null}}}""", "properties.cart.id missing")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7}}}""", "")]
    [InlineData("""{"properties":{"total":"1","cart":{"id":7}}}""", "properties.total wrong-type")]
    [InlineData("""{"properties":{"cart":{"id":7}}}""", "properties.total missing")]
    [InlineData("""{"properties":{"total":null,"cart":7}}""", "properties.cart wrong-type, properties.total missing")]
    [InlineData("""{}""", "properties.cart.id missing, properties.total missing")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"when":"yesterday","note":"2026-01-02T03:04:05Z","coupon":true}}""", "properties.coupon wrong-type, properties.when wrong-type")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"when":"2026-01-02","note":"x","coupon":5}}""", "")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"products":[{"sku":"a"},{},{"sku":1},{"sku":2},null]}}""", "properties.products[].sku missing, properties.products[].sku wrong-type")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"products":[]}}""", "")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"products":{"sku":"a"},"tags":"a"}}""", "properties.products wrong-type, properties.tags wrong-type")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7},"tags":["a",1]}}""", "properties.tags[] wrong-type")]
    [InlineData("""{"properties":{"total":1,"cart":{"id":7}},"context":{"campaign":{"source":1}}}""", "context.campaign.source wrong-type")]
    [InlineData("""{"properties":{"t\u006ftal":"1","cart":{"id":7},"unknown":[{"x":{}}]}}""", "properties.total wrong-type")]
    public void Check_NamesWhatIsWrong(string members, string expected)
    {
        var verdict = Check($$"""{"type":"track","event":"Order Completed"{{(members == "{}" ? "" : ",")}}{{members[1..]}}""");
        Assert.Equal(expected, string.Join(", ", verdict.Violations.Select(v => $"{v.Path} {v.Kind}").Order(StringComparer.Ordinal)));
        Assert.Equal(expected.Length > 0, verdict.IsBlocked);
    }

    [Theory]
    [InlineData("""{"type":"track","event":"Else"}""", "event unplanned-event", true)]
    [InlineData("""{"type":"track","event":"$identify"}""", "event unplanned-event", true)]
    [InlineData("""{"type":"track","event":"Lax","properties":{"a":1}}""", "properties.a wrong-type", false)]
    [InlineData("""{"type":"identify","traits":{"plan":1}}""", "traits.plan wrong-type", true)]
    [InlineData("""{"type":"identify","traits":{"plan":"gold"}}""", "", false)]
    [InlineData("""{"type":"page"}""", "", false)]
    [InlineData("""{"type":"alias","previousId":"a"}""", "", false)]
    public void Check_FindsWhatIsSaidOfTheName(string json, string expected, bool blocked)
    {
        var verdict = Check(json);
        Assert.Equal(expected, string.Join(", ", verdict.Violations.Select(v => $"{v.Path} {v.Kind}")));
        Assert.Equal(blocked, verdict.IsBlocked);
    }

    [Theory]
    [InlineData("""{}""", "events")]
    [InlineData("""{"events":{}}""", "events")]
    [InlineData("""{"events":[],"unplanned":"drop","onViolation":1,"what":1}""", "onViolation unplanned what")]
    [InlineData("""{"events":[{"event":" "},{"event":"$alias"},{"event":"A"},{"event":"A"},{"event":"B","onViolation":"x","more":1}]}""", "events[0].event events[1].event events[3].event events[4].onViolation events[4].more")]
    [InlineData("""{"events":[{"event":"A","properties":[{"path":"total"},{"path":"properties"},{"path":"properties[].a"},{"path":"userId.a"},{"path":"properties..a"},{}]}]}""",
        "events[0].properties[0].path events[0].properties[1].path events[0].properties[2].path events[0].properties[3].path events[0].properties[4].path events[0].properties[5].path")]
    [InlineData("""{"events":[{"event":"A","properties":[{"path":"properties.a"},{"path":"properties.a"},{"path":"properties.b","types":["null","number","text"],"required":1}]}]}""",
        "events[0].properties[1].path events[0].properties[2].types[0] events[0].properties[2].types[2] events[0].properties[2].required")]
    public void Read_WhatCannotBeTaken_IsNamed(string json, string paths)
    {
        var problem = Assert.Throws<ProblemException>(() => TrackingPlanDocument.Read(JsonDocument.Parse(json).RootElement)).Problem;
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal(paths, string.Join(' ', problem.Errors!.Select(error => error.Path)));
    }

    [Fact]
    public void Write_IsReadTheSame_AlsoAsPartOfASource()
    {
        var plan = Read(Plan);
        var text = Written(plan);
        Assert.Equal(text, Written(Read(text)));
        var source = new Source("web", "", "http", true, [], TrackingPlan: plan);
        var stored = JsonSerializer.SerializeToUtf8Bytes(source, SourceJson.Default.Source);
        Assert.Equal(text, Written(JsonSerializer.Deserialize(stored, SourceJson.Default.Source)!.TrackingPlan!));
    }

    [Fact]
    public void Readme_ShowsAPlanThatCanBeTaken()
    {
        var readme = File.ReadAllText(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../README.md"));
        var start = readme.IndexOf("```json", readme.IndexOf("A **tracking plan**", StringComparison.Ordinal), StringComparison.Ordinal) + "```json".Length;
        var plan = Read(readme[start..readme.IndexOf("```", start, StringComparison.Ordinal)]);
        Assert.Equal((PlanAction.Block, PlanAction.Allow, 2), (plan.OnViolation, plan.Unplanned, plan.Events.Count));
    }

    [Fact]
    public async Task Collect_Blocked_IsRefusedWithItsReason_TheRestIsTaken_AndAllIsCounted()
    {
        var harness = Harness(Plan);
        var collected = await harness.CollectAsync(
            """
            {"batch":[
              {"type":"track","event":"Order Completed","userId":"u","messageId":"m1","properties":{"total":"1"}},
              {"type":"track","event":"Order Completed","userId":"u","messageId":"m2","properties":{"total":1,"cart":{"id":1}}},
              {"type":"track","event":"Lax","userId":"u","messageId":"m3","properties":{"a":1}},
              {"type":"track","event":"ann@shop.example","userId":"u","messageId":"m4"}]}
            """, type: null);
        Assert.Equal(2, collected.Accepted);
        Assert.Equal("0 m1, 3 m4", string.Join(", ", collected.Rejected.Select(r => $"{r.Index} {r.MessageId}")));
        Assert.All(collected.Rejected, r => Assert.Equal(ProblemType.InvalidField, r.Type));
        Assert.Equal("properties.total: not of type number (the source's tracking plan, and 1 more).", collected.Rejected[0].Detail);
        Assert.Equal("m2 m3", string.Join(' ', (await harness.StoredAsync()).Select(e => Event.Parse(Encoding.UTF8.GetBytes(e)).MessageId)));
        Assert.Equal(
            """
            $other event unplanned-event 1 1 m4
            Lax properties.a wrong-type 1 0 m3
            Order Completed properties.cart.id missing 1 1 m1
            Order Completed properties.total wrong-type 1 1 m1
            """,
            await ViolationsAsync(harness.Violations));
    }

    [Fact]
    public async Task Collect_SingleCallThatIsBlocked_IsAProblemWithThePath()
    {
        var problem = (await Assert.ThrowsAsync<ProblemException>(() => Harness(Plan).CollectAsync("""{"event":"Else","userId":"u"}""", EventType.Track))).Problem;
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal("event", Assert.Single(problem.Errors!).Path);
    }

    [Fact]
    public async Task Collect_DroppedFields_AreCheckedAsTheyAreStored()
    {
        var plan = Read("""{"onViolation":"block","events":[{"event":"A","properties":[{"path":"properties.secret","required":true}]}]}""");
        var harness = new CollectorHarness(new Source(
            "web", "", "http", true, [new WriteKey(CollectorHarness.Key, DateTimeOffset.UnixEpoch, true)], FieldRules: [new FieldRule("properties.secret")], TrackingPlan: plan));
        await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"event":"A","userId":"u","properties":{"secret":1}}""", EventType.Track));
    }

    [Fact]
    public async Task Violations_OfTwoInstances_AddUp_AndAreBounded()
    {
        var harness = Harness("""{"events":[]}""");
        var other = new ViolationRecorder(harness.Rows);
        for (var i = 0; i < 1_000; i++)
        {
            var e = Parse($$"""{"type":"track","event":"name {{i}}"}""");
            (i % 2 == 0 ? harness.Violations : other).Note(e, new Verdict(e.Name!, [new Violation("event", Violation.UnplannedEvent, "")], false));
            if (i == 500)
            {
                var nested = false;
                harness.Rows.Before = async call =>
                {
                    if (nested || call.Operation != Storage.StoreOperation.Commit)
                        return;
                    nested = true;
                    await other.FlushAsync(CancellationToken.None);
                };
                await harness.Violations.FlushAsync(CancellationToken.None);
                harness.Rows.Before = null;
            }
        }

        await other.FlushAsync(CancellationToken.None);
        var lines = (await ViolationsAsync(harness.Violations)).Split('\n');
        Assert.Equal(201, lines.Length);
        Assert.Equal(1_000, lines.Sum(line => int.Parse(line.Split(' ')[^3])));
        Assert.Single(harness.Rows.Snapshot(), row => row.Table == TableName.Catalog);
        other.Dispose();
    }

    [Fact]
    public async Task Violations_AnswerOfTheWriteGetsLost_CountOnce()
    {
        var harness = Harness("""{"events":[]}""");
        await harness.CollectAsync("""{"event":"Else","userId":"u","messageId":"m"}""", EventType.Track);
        harness.Rows.After = call => call.Operation == Storage.StoreOperation.Commit ? throw new Storage.SimulatedCrashException(call) : Task.CompletedTask;
        await Assert.ThrowsAsync<Storage.SimulatedCrashException>(() => harness.Violations.FlushAsync(CancellationToken.None));
        harness.Rows.After = null;
        Assert.Equal("Else event unplanned-event 1 0 m", await ViolationsAsync(harness.Violations));
    }

    private static string ThisFile([System.Runtime.CompilerServices.CallerFilePath] string path = "") => path;

    private static CollectorHarness Harness(string plan) =>
        new(new Source("web", "", "http", true, [new WriteKey(CollectorHarness.Key, DateTimeOffset.UnixEpoch, true)], TrackingPlan: Read(plan)));

    private static TrackingPlan Read(string json) => TrackingPlanDocument.Read(JsonDocument.Parse(json).RootElement);

    private static string Written(TrackingPlan plan)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            TrackingPlanDocument.Write(json, plan);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static Verdict Check(string json) => PlanCheck.Of(Read(Plan))!.Check(Parse(json));

    private static Event Parse(string json) => Event.Parse(Encoding.UTF8.GetBytes(
        $$"""{"messageId":"m","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z","receivedAt":"2026-01-02T03:04:05.678Z",{{json[1..]}}"""));

    private static async Task<string> ViolationsAsync(ViolationRecorder violations)
    {
        var buffer = new ArrayBufferWriter<byte>();
        await using (var json = new Utf8JsonWriter(buffer))
            await violations.WriteAsync(json, "web", CancellationToken.None);
        return string.Join('\n', JsonDocument.Parse(buffer.WrittenMemory).RootElement.GetProperty("data").EnumerateArray()
            .Select(v => $"{v.GetProperty("event")} {v.GetProperty("path")} {v.GetProperty("kind")} {v.GetProperty("count")} {v.GetProperty("blocked")} {v.GetProperty("messageId")}")
            .Order(StringComparer.Ordinal));
    }
}
