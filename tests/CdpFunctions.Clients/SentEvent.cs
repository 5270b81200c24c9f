using System.Globalization;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>An event in a request that the app took, and what it must look like when it is read back.</summary>
/// <param name="Json">As it was sent.</param>
/// <param name="BatchSentAt">The batch's <c>sentAt</c>.</param>
/// <param name="UserAgent">The request's.</param>
internal sealed record SentEvent(JsonElement Json, JsonElement? BatchSentAt, string UserAgent)
{
    /// <summary>Compared on their own: what the server made of the sender's times.</summary>
    private static readonly string[] Times = ["timestamp", "receivedAt"];

    public string MessageId => Json.GetProperty("messageId").GetString()!;

    public string Type => Json.GetProperty("type").GetString()!;

    private JsonElement SentAt => Json.TryGetProperty("sentAt", out var own) ? own : BatchSentAt!.Value;

    private JsonElement OriginalTimestamp => Json.TryGetProperty("originalTimestamp", out var original) ? original : Json.GetProperty("timestamp");

    public static IEnumerable<SentEvent> In(Received request)
    {
        if (request.Path.EndsWith("/m", StringComparison.Ordinal))
            yield break;
        var agent = request.Headers.UserAgent.ToString();
        var body = JsonDocument.Parse(request.Body).RootElement;
        if (!body.TryGetProperty("batch", out var batch))
        {
            yield return new SentEvent(body, null, agent);
            yield break;
        }

        foreach (var json in batch.EnumerateArray())
            yield return new SentEvent(json, body.TryGetProperty("sentAt", out var sentAt) ? sentAt : null, agent);
    }

    /// <summary>Whether this is the copy of a repeated event that was stored.</summary>
    public bool IsSourceOf(JsonElement stored) => SentAt.GetRawText() == stored.GetProperty("sentAt").GetRawText();

    /// <summary>Every member as it was sent, to the letter, and nothing besides but what the server adds.</summary>
    public void AssertStoredAs(JsonElement stored)
    {
        var members = Members(Json);
        members.Remove("writeKey");
        members.Remove("context");
        members["sourceId"] = "\"local\"";
        members["originalTimestamp"] = OriginalTimestamp.GetRawText();
        members["sentAt"] = SentAt.GetRawText();
        var storedMembers = Members(stored);
        Assert.True(storedMembers.Remove("context"));
        Assert.StartsWith("\"prf_", storedMembers["firstProfileId"], StringComparison.Ordinal);
        storedMembers.Remove("firstProfileId");
        foreach (var time in Times)
        {
            members.Remove(time);
            Assert.True(storedMembers.Remove(time));
        }

        Assert.Equal(Lines(members), Lines(storedMembers));

        var context = Json.TryGetProperty("context", out var sent) ? Members(sent) : [];
        context.TryAdd("ip", "\"127.0.0.1\"");
        context.TryAdd("userAgent", JsonSerializer.Serialize(UserAgent, JsonSerializerOptions.Web));
        Assert.Equal(Lines(context), Lines(Members(stored.GetProperty("context"))));

        var received = stored.GetProperty("receivedAt").GetDateTimeOffset();
        var corrected = received - (SentAt.GetDateTimeOffset() - OriginalTimestamp.GetDateTimeOffset());
        var expected = corrected > received ? received : corrected;
        Assert.Equal(expected.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture), stored.GetProperty("timestamp").GetString());
    }

    private static SortedDictionary<string, string> Members(JsonElement json) =>
        new(json.EnumerateObject().ToDictionary(static m => m.Name, static m => m.Value.GetRawText(), StringComparer.Ordinal), StringComparer.Ordinal);

    private static string Lines(SortedDictionary<string, string> members) => string.Join('\n', members.Select(static m => $"{m.Key}: {m.Value}"));
}
