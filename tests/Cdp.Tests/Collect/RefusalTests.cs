using Cdp.Collect;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Tests.Collect;

/// <summary>What is refused, why, and where the fault is said to be.</summary>
public sealed class RefusalTests
{
    [Theory]
    [InlineData("", "not-json")]
    [InlineData("{", "not-json")]
    [InlineData("{\"event\":\"e\",\"userId\":\"u\"} x", "not-json")]
    [InlineData("{\"event\":\"e\",\"userId\":\"u\"}{}", "not-json")]
    [InlineData("{\"event\":\"a\nb\",\"userId\":\"u\"}", "not-json")]
    [InlineData("{\"event\":\"e\",\"userId\":\"u\",\"x\":01}", "not-json")]
    [InlineData("{\"event\":\"e\",\"userId\":\"u\",}", "not-json")]
    [InlineData("{\"event\":\"e\",\"userId\":\"u\",\"x\":\"\\x\"}", "not-json")]
    [InlineData("[]", "not-an-object")]
    [InlineData("7", "not-an-object")]
    [InlineData("{\"event\":\"e\"}", "no-identity")]
    [InlineData("{\"event\":\"e\",\"userId\":\" \",\"anonymousId\":null}", "no-identity")]
    [InlineData("{\"event\":\"e\",\"userId\":\"null\"}", "no-identity")]
    [InlineData("{\"event\":\"e\",\"properties\":{\"email\":\"a@b.c\"}}", "no-identity")]
    public async Task The_whole_is_refused(string body, string code) => Assert.Equal(code, (await CollectorHarness.RefusalAsync(body)).Type.Code);

    [Theory]
    [InlineData("""{"event":"e","userId":{}}""", "userId")]
    [InlineData("""{"event":"e","userId":true}""", "userId")]
    [InlineData("""{"event":"e","anonymousId":[]}""", "anonymousId")]
    [InlineData("""{"event":"e","userId":"\ud800"}""", "userId")]
    [InlineData("""{"event":"e","userId":"u","previousId":false}""", "previousId")]
    [InlineData("""{"event":"e","userId":"u","groupId":{"a":1}}""", "groupId")]
    [InlineData("""{"event":"\udc00","userId":"u"}""", "event")]
    [InlineData("""{"event":7,"userId":"u"}""", "event")]
    [InlineData("""{"event":"","userId":"u"}""", "event")]
    [InlineData("""{"event":null,"userId":"u"}""", "event")]
    [InlineData("""{"userId":"u"}""", "event")]
    [InlineData("""{"event":"e","userId":"u","messageId":7}""", "messageId")]
    [InlineData("""{"event":"e","userId":"u","messageId":"\ud800"}""", "messageId")]
    [InlineData("""{"event":"e","userId":"u","timestamp":1700000000}""", "timestamp")]
    [InlineData("""{"event":"e","userId":"u","timestamp":"yesterday"}""", "timestamp")]
    [InlineData("""{"event":"e","userId":"u","timestamp":"2026-02-30"}""", "timestamp")]
    [InlineData("""{"event":"e","userId":"u","originalTimestamp":"2026-01-01T25:00:00Z"}""", "originalTimestamp")]
    [InlineData("""{"event":"e","userId":"u","sentAt":""}""", "sentAt")]
    [InlineData("""{"event":"e","userId":"u","properties":[1]}""", "properties")]
    [InlineData("""{"event":"e","userId":"u","traits":"x"}""", "traits")]
    [InlineData("""{"event":"e","userId":"u","context":7}""", "context")]
    [InlineData("""{"event":"e","userId":"u","type":"page"}""", "type")]
    [InlineData("""{"event":"e","userId":"u","type":"nonsense"}""", "type")]
    [InlineData("""{"event":"e","userId":"u","type":7}""", "type")]
    [InlineData("""{"event":"e","event":"e","userId":"u"}""", "event")]
    [InlineData("""{"event":"e","userId":"u","properties":{"a":{"b":1,"c":2,"b":3}}}""", "properties.a.b")]
    [InlineData("""{"event":"e","userId":"u","properties":{"l":[0,{"b":1,"\u0062":3}]}}""", "properties.l[1].\\u0062")]
    [InlineData("""{"event":"e","userId":"u","context":{"ip":1,"ip":2}}""", "context.ip")]
    [InlineData("""{"event":"e","userId":"u","properties":{"\ud800":1}}""", "properties.\\ud800")]
    [InlineData("""{"event":"e","userId":"u","\udc00":1}""", "\\udc00")]
    public async Task A_field_is_refused_with_its_path(string body, string path)
    {
        var problem = await CollectorHarness.RefusalAsync(body);
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal(path, Assert.Single(problem.Errors!).Path);
    }

    [Fact]
    public async Task An_event_over_the_limit_is_told_by_how_much()
    {
        const string start = "{\"event\":\"e\",\"userId\":\"u\",\"x\":\"";
        var problem = await CollectorHarness.RefusalAsync(start + new string('x', 40_112 - start.Length - 2) + "\"}");
        Assert.Equal(ProblemType.EventTooLarge, problem.Type);
        Assert.Equal("The event is 40,112 bytes; at most 32,768 are taken. Send less in properties.", problem.Detail);
    }

    [Theory]
    [InlineData(EventType.Group, """{"userId":"u"}""", "groupId")]
    [InlineData(EventType.Group, """{"userId":"u","groupId":" "}""", "groupId")]
    [InlineData(EventType.Alias, """{"userId":"u"}""", "previousId")]
    public async Task What_a_type_needs_is_missing(EventType type, string body, string path)
    {
        var problem = await CollectorHarness.RefusalAsync(body, type);
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.Equal(path, Assert.Single(problem.Errors!).Path);
    }

    [Fact]
    public async Task An_alias_of_nobody_is_refused() =>
        Assert.Equal(ProblemType.NoIdentity, (await CollectorHarness.RefusalAsync("""{"previousId":"null"}""", EventType.Alias)).Type);

    [Fact]
    public async Task A_messageId_of_101_characters_is_refused() =>
        Assert.Equal("messageId", (await CollectorHarness.RefusalAsync($$"""{"event":"e","userId":"u","messageId":"{{new string('é', 101)}}"}""")).Errors![0].Path);

    [Fact]
    public async Task Invalid_UTF8_is_no_JSON()
    {
        byte[] body = [.. "{\"event\":\"e\",\"userId\":\"u\",\"x\":\""u8, 0xED, 0xA0, 0x80, .. "\"}"u8];
        var exception = await Assert.ThrowsAsync<ProblemException>(() => new CollectorHarness().CollectAsync(body, EventType.Track));
        Assert.Equal(ProblemType.NotJson, exception.Problem.Type);
    }

    [Fact]
    public async Task Nesting_is_taken_to_64_levels_and_no_further()
    {
        Assert.Contains("[[", await CollectorHarness.StoreAsync(Nested(62)), StringComparison.Ordinal);
        var problem = await CollectorHarness.RefusalAsync(Nested(63));
        Assert.Equal(ProblemType.InvalidField, problem.Type);
        Assert.StartsWith("properties.a[0][0]", problem.Errors![0].Path, StringComparison.Ordinal);
        Assert.Equal(ProblemType.InvalidField, (await CollectorHarness.RefusalAsync(Nested(10_000))).Type);

        // The event and properties are two levels.
        static string Nested(int lists) => $$$"""{"event":"e","userId":"u","properties":{"a":{{{new string('[', lists)}}}{{{new string(']', lists)}}}}}""";
    }

    [Fact]
    public async Task An_event_of_32_KB_is_taken_and_a_byte_more_is_not()
    {
        const string frame = """{"event":"e","userId":"u","properties":{"a":""}}""";
        var body = frame.Insert(frame.Length - 3, new string('x', CollectLimits.EventBytes - frame.Length));
        Assert.Equal(CollectLimits.EventBytes, body.Length);
        await CollectorHarness.StoreAsync(body);
        // White space around the event is not the event.
        await CollectorHarness.StoreAsync("  " + body + "\n\n");
        var problem = await CollectorHarness.RefusalAsync(body.Insert(1, " "));
        Assert.Equal(ProblemType.EventTooLarge, problem.Type);
        Assert.Equal(new ProblemError("", "too-large"), Assert.Single(problem.Errors!));
    }

    [Fact]
    public async Task Thousands_of_names_in_one_event_are_taken_if_they_differ()
    {
        var names = string.Join(',', Enumerable.Range(0, 4000).Select(i => $"\"{i:x}\":1"));
        await CollectorHarness.StoreAsync($$$"""{"event":"e","userId":"u","properties":{{{{names}}}}}""");
        var problem = await CollectorHarness.RefusalAsync($$$"""{"event":"e","userId":"u","properties":{{{{names}}},"7cf":2}}""");
        Assert.Equal("properties.7cf", problem.Errors![0].Path);
    }

    [Fact]
    public async Task Without_a_key_that_is_known_nothing_is_taken()
    {
        var harness = new CollectorHarness();
        Assert.Equal(ProblemType.UnknownWriteKey, (await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"event":"e","userId":"u"}""", EventType.Track, key: null))).Problem.Type);
        await harness.CollectAsync("""{"event":"e","userId":"u","writeKey":"wk_test"}""", EventType.Track, key: null);
        await harness.CollectAsync("""{"batch":[{"type":"track","event":"e","userId":"u","writeKey":"other"}],"writeKey":"wk_test"}""", null, key: null);
        // What the headers say goes first.
        await harness.CollectAsync("""{"event":"e","userId":"u","writeKey":"other"}""", EventType.Track);
        Assert.Equal(3, (await harness.StoredAsync()).Count);
    }

    [Fact]
    public async Task A_disabled_source_takes_nothing()
    {
        var harness = new CollectorHarness(new CollectorHarness().Source with { Enabled = false });
        var exception = await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync("""{"event":"e","userId":"u"}""", EventType.Track));
        Assert.Equal(ProblemType.SourceDisabled, exception.Problem.Type);
    }

    [Fact]
    public async Task Only_listed_origins_are_taken_where_some_are_listed()
    {
        const string body = """{"event":"e","userId":"u"}""";
        var harness = new CollectorHarness(new CollectorHarness().Source with { Origins = ["https://shop.example"] });
        await harness.CollectAsync(body, EventType.Track, origin: "https://shop.example");
        await harness.CollectAsync(body, EventType.Track);
        var exception = await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync(body, EventType.Track, origin: "https://evil.example"));
        Assert.Equal(ProblemType.OriginNotAllowed, exception.Problem.Type);
    }

    [Fact]
    public async Task A_source_is_held_to_its_rate()
    {
        const string body = """{"event":"e","userId":"u"}""";
        var harness = new CollectorHarness(new CollectorHarness().Source with { RateLimit = new(2) });
        await harness.CollectAsync(body, EventType.Track);
        await harness.CollectAsync(body, EventType.Track);
        var exception = await Assert.ThrowsAsync<ProblemException>(() => harness.CollectAsync(body, EventType.Track));
        Assert.Equal(ProblemType.RateLimited, exception.Problem.Type);
        Assert.Equal(1, exception.Problem.RetryAfterSeconds);
        harness.Time.Advance(TimeSpan.FromMilliseconds(500));
        await harness.CollectAsync(body, EventType.Track);
    }
}
