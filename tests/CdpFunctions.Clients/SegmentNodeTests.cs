using System.Text.Json;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>@segment/analytics-node, as it comes from npm.</summary>
[Collection(ClientTests.Name)]
public sealed class SegmentNodeTests(ClientApp app)
{
    private const int Events = 19;

    [Fact]
    public async Task EveryCall_WithAnAnswerLostAndARequestRefused_IsOnTheTimelineOnceAndWhole()
    {
        var requests = 0;
        await using var gateway = await app.GatewayAsync(_ => Interlocked.Increment(ref requests) switch
        {
            1 => Fate.LoseAnswer,
            2 => Fate.Refuse,
            _ => Fate.Pass,
        });

        await NodeScript.RunAsync("segment.cjs", gateway.Address);

        // Two batches; the app got the one twice and the other on its second way.
        Assert.Equal(["POST /v1/batch 200", "POST /v1/batch 200", "POST /v1/batch 200"], gateway.Received.Select(static r => r.ToString()));
        Assert.Equal(1, gateway.Refused);
        Assert.Equal(["1", "1"], gateway.Received.Select(static r => r.Headers["X-Retry-Count"].ToString()).Where(static n => n.Length > 0));
        var sent = gateway.Events;
        Assert.Equal(Events, sent.DistinctBy(static e => e.MessageId).Count());
        Assert.True(sent.Count > Events);
        Assert.Equal(["alias", "group", "identify", "page", "screen", "track"], sent.Select(static e => e.Type).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        await app.AssertTimelineAsync("user_id:segment-node", sent);

        var profile = await app.ProfileAsync("user_id:segment-node");
        Assert.True(profile.GetProperty("identified").GetBoolean());
        Assert.Equal(Events, profile.GetProperty("counts").GetProperty("events").GetInt32());
        Assert.Equal("""{"address":{"city":"Wien"},"age":41,"email":"Node@Example.org","name":"Ann"}""", profile.GetProperty("traits").GetRawText());
        Assert.Equal(
            """{"user_id":["segment-node"],"email":["node@example.org"],"anonymous_id":["segment-node-device","segment-node-visitor"]}""",
            Identifiers.Of(profile));
    }
}
