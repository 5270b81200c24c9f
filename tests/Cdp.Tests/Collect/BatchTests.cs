using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Tests.Collect;

public sealed class BatchTests
{
    [Fact]
    public async Task A_bad_event_does_not_cost_the_others()
    {
        var harness = new CollectorHarness();
        var huge = new string('x', CollectLimits.EventBytes);
        var outcome = await harness.CollectAsync($$$"""
            {"batch":[
              {"type":"track","event":"a","userId":"u","messageId":"m0"},
              {"type":"track","userId":"u","messageId":"m1"},
              7,
              {"type":"dance","userId":"u","messageId":"m3"},
              {"userId":"u","messageId":"m4"},
              {"type":"page","anonymousId":"a","messageId":"m5","x":{"y":1,"y":2}},
              {"type":"page","messageId":"m6"},
              {"type":"page","anonymousId":"a","messageId":"m7","x":"{{{huge}}}"},
              {"type":"page","anonymousId":"a","messageId":"m8"},
              {"type":"page","anonymousId":"a","messageId":"\ud800"}
            ]}
            """, null);

        Assert.Equal(2, outcome.Accepted);
        Assert.Equal(
            ["1 m1 invalid-field", "2  not-an-object", "3 m3 unknown-type", "4 m4 unknown-type", "5 m5 invalid-field", "6 m6 no-identity", "7 m7 event-too-large", "9  invalid-field"],
            outcome.Rejected.Select(r => $"{r.Index} {r.MessageId} {r.Type.Code}"));
        Assert.Contains("x.y", outcome.Rejected[4].Detail, StringComparison.Ordinal);
        var stored = await harness.StoredAsync();
        Assert.Equal(["m0", "m8"], stored.Select(e => JsonDocument.Parse(e).RootElement.GetProperty("messageId").GetString()));
    }

    [Fact]
    public async Task Where_all_events_are_bad_the_answer_is_400_with_each_of_them()
    {
        var problem = await CollectorHarness.RefusalAsync("""{"batch":[{"type":"track","userId":"u"},{"type":"page","anonymousId":"a","properties":{"a":1,"a":1}}]}""", null);
        Assert.Equal(400, problem.Type.Status);
        Assert.Equal(["batch[0].event", "batch[1].properties.a"], problem.Errors!.Select(e => e.Path));

        var large = await CollectorHarness.RefusalAsync($$$"""{"batch":[{"type":"page","anonymousId":"a","x":"{{{new string('x', CollectLimits.EventBytes)}}}"}]}""", null);
        Assert.Equal(400, large.Type.Status);
        Assert.Equal([new ProblemError("batch[0]", "too-large")], large.Errors!);
    }

    [Theory]
    [InlineData("""{"batch":[]}""", "empty-batch")]
    [InlineData("""{"batch":null}""", "empty-batch")]
    [InlineData("""{"x":1}""", "empty-batch")]
    [InlineData("""{"batch":{}}""", "invalid-field")]
    [InlineData("""{"batch":[],"batch":[]}""", "invalid-field")]
    [InlineData("""{"batch":[{"type":"page","userId":"u"}],"sentAt":"soon"}""", "invalid-field")]
    [InlineData("""{"batch":[{"type":"page","userId":"u"}],"context":[]}""", "invalid-field")]
    [InlineData("""{"batch":[{"type":"page","userId":"u"}],"context":{"a":1,"a":1}}""", "invalid-field")]
    [InlineData("""{"batch":[{"type":"page","userId":"u"}]""", "not-json")]
    [InlineData("""[{"type":"page","userId":"u"}]""", "not-an-object")]
    public async Task The_whole_batch_is_refused(string body, string code) => Assert.Equal(code, (await CollectorHarness.RefusalAsync(body, null)).Type.Code);

    [Fact]
    public async Task A_batch_has_at_most_2500_events()
    {
        await new CollectorHarness().CollectAsync(Batch(2500), null);
        Assert.Equal(ProblemType.RequestTooLarge, (await CollectorHarness.RefusalAsync(Batch(2501), null)).Type);

        static string Batch(int events) => $$"""{"batch":[{{string.Join(',', Enumerable.Repeat("""{"type":"page","userId":"u"}""", events))}}]}""";
    }

    [Fact]
    public async Task The_batchs_sentAt_stands_for_those_that_have_none()
    {
        var harness = new CollectorHarness();
        await harness.CollectAsync("""
            {"batch":[
              {"type":"page","userId":"u","timestamp":"2020-01-01T00:00:00Z"},
              {"type":"page","userId":"u","timestamp":"2020-01-01T00:00:00Z","sentAt":"2020-01-01T00:00:01Z"},
              {"type":"page","userId":"u","timestamp":"2020-01-01T00:00:00Z","sentAt":null}
            ],"sentAt":"2020-01-01T00:00:05Z"}
            """, null);
        var stored = (await harness.StoredAsync()).ConvertAll(e => JsonDocument.Parse(e).RootElement);
        Assert.Equal(["2020-01-01T00:00:05Z", "2020-01-01T00:00:01Z", "2020-01-01T00:00:05Z"], stored.Select(e => e.GetProperty("sentAt").GetString()));
        Assert.Equal(["2026-01-02T03:04:00.678Z", "2026-01-02T03:04:04.678Z", "2026-01-02T03:04:00.678Z"], stored.Select(e => e.GetProperty("timestamp").GetString()));
        Assert.All(stored, e => Assert.Single(e.EnumerateObject(), p => p.NameEquals("sentAt")));
    }

    [Fact]
    public async Task The_batchs_context_and_integrations_lie_under_the_events_own()
    {
        var harness = new CollectorHarness();
        await harness.CollectAsync("""
            {"context":{"library":{"name":"lib"},"ip":"7.7.7.7","\u0061pp":{"v":1}},"batch":[
              {"type":"page","userId":"u"},
              {"type":"page","userId":"u","context":{"app":{"w":2},"page":"p"},"integrations":{"All":true}},
              {"type":"page","userId":"u","context":null,"integrations":null},
              {"type":"page","userId":"u","context":{},"integrations":false}
            ],"integrations":{"All":false,"X":1}}
            """, null, address: "1.2.3.4", userAgent: "UA");
        var stored = (await harness.StoredAsync()).ConvertAll(e => JsonDocument.Parse(e).RootElement);
        const string shared = "\"library\":{\"name\":\"lib\"},\"ip\":\"7.7.7.7\"";
        Assert.Equal(
            [
                $$$"""{{{{shared}}},"\u0061pp":{"v":1},"userAgent":"UA"}""", $$$"""{"app":{"w":2},"page":"p",{{{shared}}},"userAgent":"UA"}""",
                $$$"""{{{{shared}}},"\u0061pp":{"v":1},"userAgent":"UA"}""", $$$"""{{{{shared}}},"\u0061pp":{"v":1},"userAgent":"UA"}""",
            ],
            stored.Select(e => e.GetProperty("context").GetRawText()));
        Assert.Equal(
            ["""{"All":false,"X":1}""", """{"All":true,"X":1}""", """{"All":false,"X":1}""", "false"],
            stored.Select(e => e.GetProperty("integrations").GetRawText()));
    }

    [Fact]
    public async Task With_the_batchs_context_an_event_is_held_to_the_same_size()
    {
        var half = new string('x', CollectLimits.EventBytes / 2);
        var problem = await CollectorHarness.RefusalAsync($$$"""{"batch":[{"type":"page","userId":"u","x":"{{{half}}}"}],"context":{"x":"{{{half}}}"}}""", null);
        Assert.Equal("too-large", Assert.Single(problem.Errors!).Reason);
    }

    [Fact]
    public async Task An_import_is_marked_historical()
    {
        var harness = new CollectorHarness();
        await harness.CollectAsync("""{"batch":[{"type":"page","userId":"u"}]}""", null, historical: true);
        var events = await EventMessageCodec.DecodeAsync(Assert.Single(harness.Queue.Messages), harness.Blobs, CancellationToken.None);
        Assert.True(Assert.Single(events).Historical);
    }

    [Fact]
    public async Task Scans_are_reused_without_a_trace_of_the_request_before()
    {
        var harness = new CollectorHarness();
        await harness.CollectAsync("""{"writeKey":"wk_test","batch":[{"type":"page","userId":"u","context":{"ip":"9"}},{"type":"page","userId":"u","x":1}],"context":{"a":1},"sentAt":"2020-01-01"}""", null);
        await harness.CollectAsync("""{"event":"e","userId":"u","messageId":"m"}""", Cdp.Events.EventType.Track);
        Assert.DoesNotContain("context", (await harness.StoredAsync())[^1], StringComparison.Ordinal);
        await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"event":"e","userId":"u"}""", Cdp.Events.EventType.Track, key: null));
    }
}
