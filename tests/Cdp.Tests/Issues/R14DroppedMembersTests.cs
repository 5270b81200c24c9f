using Cdp.Events;
using Cdp.Problems;
using Cdp.Tests.Collect;

namespace Cdp.Tests.Issues;

/// <summary>Duplicate names are refused with their path also inside of members that are not stored: nobody shall have to know which these are.</summary>
public sealed class R14DroppedMembersTests
{
    [Theory]
    [InlineData(EventType.Track, """{"event":"e","userId":"u","sourceId":{"b":1,"b":2}}""", "sourceId.b")]
    [InlineData(EventType.Track, """{"event":"e","userId":"u","receivedAt":[{"b":1,"b":2}]}""", "receivedAt[0].b")]
    [InlineData(EventType.Track, """{"event":"e","userId":"u","writeKey":{"b":1,"b":2}}""", "writeKey.b")]
    [InlineData(null, """{"batch":[{"type":"page","userId":"u","writeKey":{"b":1,"b":2}}]}""", "batch[0].writeKey.b")]
    [InlineData(null, """{"batch":[{"type":"page","userId":"u"}],"metadata":{"a":[{"b":1,"b":2}]}}""", "metadata.a[0].b")]
    [InlineData(null, """{"batch":[{"type":"page","userId":"u"}],"writeKey":{"b":1,"b":2}}""", "writeKey.b")]
    public async Task DuplicateName_InAMemberThatIsDropped_IsRefused(EventType? type, string body, string path)
    {
        var problem = await CollectorHarness.RefusalAsync(body, type);
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal(path, Assert.Single(problem.Errors!).Path);
    }

    [Fact]
    public async Task LargeMember_BesideTheEvents_IsNoEvent()
    {
        var members = string.Join(',', Enumerable.Range(0, 5000).Select(i => $"\"k{i}\":{i}"));
        var outcome = await new CollectorHarness().CollectAsync($$$"""{"metadata":{{{{members}}}},"batch":[{"type":"page","userId":"u"}]}""", null);
        Assert.Equal(1, outcome.Accepted);
    }
}
