using System.Text.Json;
using Cdp.Events;

namespace Cdp.Tests.Collect;

/// <summary>What is stored of an event that is taken.</summary>
public sealed class StoredFormTests
{
    private const string Front = """{"type":"track","messageId":"m1","sourceId":"web","timestamp":"2026-01-02T03:04:05.678Z",""";
    private const string Received = "\"receivedAt\":\"2026-01-02T03:04:05.678Z\"";

    [Fact]
    public async Task The_server_writes_its_members_in_front_and_keeps_the_senders_byte_by_byte()
    {
        var stored = await CollectorHarness.StoreAsync(
            """{ "event" : "Ordered" ,"userId":"u1", "messageId":"m1","properties":{ "total": 1.50e2, "n":-0, "x":"\u0041\/\ud83d\ude00é" },"ünknown":[1 ,2],"nothing":null}""");
        Assert.Equal(
            Front + Received + """,""" + """
            "event" : "Ordered","userId":"u1","properties":{ "total": 1.50e2, "n":-0, "x":"\u0041\/\ud83d\ude00é" },"ünknown":[1 ,2],"nothing":null}
            """.Trim(), stored);
    }

    [Fact]
    public async Task What_only_the_server_says_is_dropped_from_the_sender()
    {
        var stored = await CollectorHarness.StoreAsync(
            """{"event":"e","userId":"u1","messageId":"m1","type":"track","sourceId":"other","receivedAt":"1999-01-01","firstProfileId":"prf_1","segmentChanges":[{"id":"vip"}],"writeKey":"wk","\u0073ourceId2":1}""");
        Assert.Equal(Front + Received + """,""" + """
            "event":"e","userId":"u1","\u0073ourceId2":1}
            """.Trim(), stored);
    }

    [Fact]
    public async Task A_line_break_between_tokens_becomes_a_space_and_nothing_else_changes()
    {
        var stored = await CollectorHarness.StoreAsync("{\r\n\"event\":\"a\\nb\",\n\"userId\":\"u1\",\"messageId\":\"m1\",\"properties\":{\n\t\"a\":1\r\n}}");
        Assert.Equal(Front + Received + ",\"event\":\"a\\nb\",\"userId\":\"u1\",\"properties\":{ \t\"a\":1  }}", stored);
    }

    [Theory]
    [InlineData("""{}""", """{"ip":"1.2.3.4","userAgent":"UA \"x\""}""")]
    [InlineData("""{"page":{"url":"u"}}""", """{"page":{"url":"u"},"ip":"1.2.3.4","userAgent":"UA \"x\""}""")]
    [InlineData("""{"ip":"9.9.9.9"}""", """{"ip":"9.9.9.9","userAgent":"UA \"x\""}""")]
    [InlineData("""{"ip":null,"userAgent":"mine"}""", """{"ip":null,"userAgent":"mine"}""")]
    [InlineData("""{"\u0069p":"9.9.9.9","userAgent":"mine"}""", """{"\u0069p":"9.9.9.9","userAgent":"mine"}""")]
    [InlineData("null", """{"ip":"1.2.3.4","userAgent":"UA \"x\""}""")]
    [InlineData(null, """{"ip":"1.2.3.4","userAgent":"UA \"x\""}""")]
    public async Task Address_and_user_agent_are_added_where_the_sender_has_none(string? context, string expected)
    {
        var member = context is null ? "" : $",\"context\":{context}";
        var stored = await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u"{{member}},"z":1}""", address: "1.2.3.4", userAgent: "UA \"x\"");
        Assert.Equal(expected.Replace("\"UA \\\"x\\\"\"", "\"UA \\\"x\\\"\"", StringComparison.Ordinal), JsonDocument.Parse(stored).RootElement.GetProperty("context").GetRawText());
        Assert.Equal(1, JsonDocument.Parse(stored).RootElement.GetProperty("z").GetInt32());
    }

    [Fact]
    public async Task A_null_context_stays_where_nothing_is_to_be_added() =>
        Assert.Contains("\"context\":null", await CollectorHarness.StoreAsync("""{"event":"e","userId":"u","context":null}"""), StringComparison.Ordinal);

    [Fact]
    public async Task Lone_surrogates_and_NUL_in_values_are_stored_as_they_were_sent()
    {
        const string properties = """{"a":"\ud800","b":"\u0000","c":"\uDC00x","d":["\ud83d"]}""";
        var stored = await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u","properties":{{properties}}}""");
        Assert.Contains(properties, stored, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_number_keeps_its_spelling_however_large()
    {
        const string properties = """{"a":1e999999,"b":0.1000,"c":123456789012345678901234567890.123456789,"d":-0}""";
        Assert.Contains(properties, await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u","properties":{{properties}}}"""), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"messageId\":null")]
    [InlineData(",\"messageId\":\"\"")]
    public async Task A_messageId_is_made_where_there_is_none(string member)
    {
        var stored = JsonDocument.Parse(await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u"{{member}}}""")).RootElement;
        Assert.Equal(26, stored.GetProperty("messageId").GetString()!.Length);
        Assert.Single(stored.EnumerateObject(), p => p.NameEquals("messageId"));
    }

    [Fact]
    public async Task A_messageId_of_100_characters_is_kept_escapes_and_all()
    {
        var id = string.Concat(Enumerable.Repeat("\\u0041é", 50));
        Assert.Contains("\"messageId\":\"" + id + "\"", await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u","messageId":"{{id}}"}"""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_byte_order_mark_in_front_is_no_part_of_the_event() =>
        Assert.StartsWith("{\"type\"", await CollectorHarness.StoreAsync("\uFEFF{\"event\":\"e\",\"userId\":\"u\"}"), StringComparison.Ordinal);

    [Theory]
    // received at 2026-01-02T03:04:05.678Z
    [InlineData("", "2026-01-02T03:04:05.678Z", null)]
    [InlineData(",\"timestamp\":null", "2026-01-02T03:04:05.678Z", null)]
    [InlineData(",\"timestamp\":\"2026-01-01\"", "2026-01-01T00:00:00.000Z", "2026-01-01")]
    [InlineData(",\"timestamp\":\"2026-01-01T10:00:00+02:00\"", "2026-01-01T08:00:00.000Z", "2026-01-01T10:00:00+02:00")]
    [InlineData(",\"timestamp\":\"2027-01-01T00:00:00Z\"", "2026-01-02T03:04:05.678Z", "2027-01-01T00:00:00Z")]
    [InlineData(",\"timestamp\":\"1969-12-31T23:59:59Z\"", "2026-01-02T03:04:05.678Z", "1969-12-31T23:59:59Z")]
    [InlineData(",\"timestamp\":\"2020-01-01T00:00:00Z\",\"sentAt\":\"2020-01-01T00:00:05Z\"", "2026-01-02T03:04:00.678Z", "2020-01-01T00:00:00Z")]
    [InlineData(",\"sentAt\":\"2020-01-01T00:00:05Z\"", "2026-01-02T03:04:05.678Z", null)]
    [InlineData(",\"timestamp\":\"2020-01-01T00:00:09Z\",\"sentAt\":\"2020-01-01T00:00:05Z\"", "2026-01-02T03:04:05.678Z", "2020-01-01T00:00:09Z")]
    [InlineData(",\"originalTimestamp\":\"2026-01-01T00:00:00.1234567Z\",\"timestamp\":\"2025-01-01\"", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.1234567Z")]
    [InlineData(",\"timestamp\":\"2025-01-01\",\"originalTimestamp\":\"2026-01-01T00:00:00Z\"", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00Z")]
    [InlineData(",\"timestamp\":\"0001-01-01\",\"sentAt\":\"9999-12-31\"", "2026-01-02T03:04:05.678Z", "0001-01-01")]
    public async Task Times_are_corrected_by_the_senders_clock(string members, string timestamp, string? original)
    {
        var stored = JsonDocument.Parse(await CollectorHarness.StoreAsync($$"""{"event":"e","userId":"u"{{members}}}""")).RootElement;
        Assert.Equal(timestamp, stored.GetProperty("timestamp").GetString());
        Assert.Equal(original, stored.TryGetProperty("originalTimestamp", out var value) ? value.GetString() : null);
        Assert.Equal("2026-01-02T03:04:05.678Z", stored.GetProperty("receivedAt").GetString());
    }

    [Theory]
    [InlineData(EventType.Identify, """{"userId":"u","traits":{"a":1}}""")]
    [InlineData(EventType.Identify, """{"userId":7}""")]
    [InlineData(EventType.Identify, """{"userId":1e3}""")]
    [InlineData(EventType.Identify, """{"traits":{"email":"ann@shop.example"}}""")]
    [InlineData(EventType.Track, """{"event":"e","context":{"traits":{"email":"ann@shop.example"}}}""")]
    [InlineData(EventType.Page, """{"anonymousId":"a","event":7}""")]
    [InlineData(EventType.Group, """{"anonymousId":"a","groupId":12}""")]
    [InlineData(EventType.Alias, """{"userId":"u","previousId":"p"}""")]
    [InlineData(EventType.Alias, """{"previousId":"p"}""")]
    [InlineData(EventType.Screen, """{"userId":null,"anonymousId":"a","traits":null,"properties":null}""")]
    public async Task Every_type_is_taken_with_what_identifies_somebody(EventType type, string body) =>
        Assert.StartsWith("{\"type\":\"" + type.Name() + "\"", await CollectorHarness.StoreAsync(body, type), StringComparison.Ordinal);
}
