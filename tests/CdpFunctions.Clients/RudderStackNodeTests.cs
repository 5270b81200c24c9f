using Xunit;

namespace CdpFunctions.Clients;

/// <summary>@rudderstack/rudder-sdk-node, as it comes from npm.</summary>
[Collection(ClientTests.Name)]
public sealed class RudderStackNodeTests(ClientApp app)
{
    private const int Events = 27;

    [Fact]
    public async Task EveryCall_WithAnAnswerLostAndARequestRefused_IsOnTheTimelineOnceAndWhole()
    {
        var requests = 0;
        await using var gateway = await app.GatewayAsync(_ => Interlocked.Increment(ref requests) switch
        {
            1 => Fate.LoseAnswer,
            3 => Fate.Refuse,
            _ => Fate.Pass,
        });

        await NodeScript.RunAsync("rudderstack.cjs", gateway.Address);

        Assert.Equal(1, gateway.Refused);
        Assert.All(gateway.Received, static r => Assert.Equal(("POST /v1/batch 200", "gzip"), (r.ToString(), r.Headers.ContentEncoding.ToString())));
        var sent = gateway.Events;
        Assert.Equal(Events, sent.DistinctBy(static e => e.MessageId).Count());
        Assert.True(sent.Count > Events);
        Assert.Equal(["alias", "group", "identify", "page", "screen", "track"], sent.Select(static e => e.Type).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        await app.AssertTimelineAsync("user_id:rudder-node", sent);

        var profile = await app.ProfileAsync("user_id:rudder-node");
        Assert.Equal("""{"email":"rudder@example.org","plan":"gold","tags":["a","b"]}""", profile.GetProperty("traits").GetRawText());
        Assert.Equal(
            """{"user_id":["rudder-node"],"email":["rudder@example.org"],"anonymous_id":["rudder-node-device","rudder-node-visitor"]}""",
            Identifiers.Of(profile));
    }
}
