using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;

namespace Cdp.Tests.Collect;

/// <summary>Who is let in depends on the rules.</summary>
public sealed class ConfiguredIdentityTests
{
    private const string Till = """{"event":"Sale","properties":{"card":"k1"}}""";

    [Fact]
    public async Task An_event_that_only_a_configured_type_identifies_is_taken()
    {
        var card = new IdentifierType("card", 9, Unique: false, new IdentifierLimit(5), Normalisation.Trim) { Paths = ["properties.card"] };
        Assert.Equal(1, (await new CollectorHarness(rules: new IdentityRules([.. IdentityRules.Default.Types, card])).CollectAsync(Till, EventType.Track)).Accepted);
        Assert.Equal(ProblemType.NoIdentity, (await CollectorHarness.RefusalAsync(Till)).Type);
    }

    [Fact]
    public async Task A_user_id_that_is_blocked_by_rule_is_none()
    {
        var types = IdentityRules.Default.Types.Select(type => type with { Blocked = new BlockedValues([], ["^till-"]) }).ToList();
        var harness = new CollectorHarness(rules: new IdentityRules(types));
        var refused = await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"event":"Sale","userId":"Till-7"}""", EventType.Track));
        Assert.Equal(ProblemType.NoIdentity, refused.Problem.Type);
        Assert.Equal(1, (await harness.CollectAsync("""{"event":"Sale","userId":"7"}""", EventType.Track)).Accepted);
    }
}
