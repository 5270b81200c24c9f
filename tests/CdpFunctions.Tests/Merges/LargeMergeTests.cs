using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Azure.Storage.Queues;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Merges;

/// <summary>
/// Two profiles of 5,000 events become one, and two again, on Azurite and through the queues, while both get events and somebody reads their
/// timelines all the time.
/// </summary>
public sealed class LargeMergeTests(ITestOutputHelper output)
{
    private const int EventsEach = 5_000;
    private const int EventsPerRequest = 500;
    private const string User = "user_id:u1";
    private const string Visitor = "anonymous_id:a1";

    private static readonly TimeSpan BetweenRequests = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task TwoOf5000Events_MergedAndUnmergedUnderTraffic_NothingIsLostOrDoubledOrMissedByReaders()
    {
        await using var app = await TestApp.StartAsync();
        // The profile that is there first wins.
        await ImportAsync(app, "\"userId\":\"u1\"", "u");
        var winner = (await app.ReadJsonAsync("/v1/profiles/" + User)).GetProperty("id").GetString()!;
        await ImportAsync(app, "\"anonymousId\":\"a1\"", "a");
        var loser = (await app.ReadJsonAsync("/v1/profiles/" + Visitor)).GetProperty("id").GetString()!;
        Assert.True(string.CompareOrdinal(winner, loser) < 0);

        var traffic = new Traffic(app);
        using (var link = await app.CollectAsync("/v1/identify", """{"messageId":"both-link","userId":"u1","anonymousId":"a1"}"""))
            Assert.Equal(HttpStatusCode.OK, link.StatusCode);
        traffic.Acknowledge("both-link");
        var (merged, passes) = await UnderTrafficAndReadsAsync(app, traffic, unmerging: false, async () =>
            (await MergesAsync(app, User)).FirstOrDefault() is { ValueKind: JsonValueKind.Object } merge && merge.GetProperty("state").GetString() == "done");
        output.WriteLine($"merged after {merged.TotalSeconds:F1} s, {traffic.Acknowledged.Count:N0} events and {passes} passes over both timelines meanwhile");

        string[] all = [.. Imported("u"), .. Imported("a"), .. traffic.Acknowledged];
        foreach (var key in new[] { User, Visitor, winner, loser })
            await AssertHasAsync(app, key, winner, all);
        using (var old = await app.ReadAsync("/v1/profiles/" + loser))
        {
            Assert.Equal([loser], old.Headers.GetValues("Cdp-Merged-From"));
            Assert.Equal(winner, JsonDocument.Parse(await old.Content.ReadAsStringAsync()).RootElement.GetProperty("id").GetString());
        }

        await AssertNothingFailedAsync(app);

        var mergeId = Assert.Single(await MergesAsync(app, User)).GetProperty("id").GetString()!;
        Assert.Equal("undoing", await UnmergeAsync(app, mergeId));
        var before = traffic.Acknowledged.Count;
        (var parted, passes) = await UnderTrafficAndReadsAsync(app, traffic, unmerging: true, async () => await UnmergeAsync(app, mergeId) == "undone");
        output.WriteLine($"unmerged after {parted.TotalSeconds:F1} s, {traffic.Acknowledged.Count - before:N0} events and {passes} passes over both timelines meanwhile");

        // What the visitor brought along, and what came under their identifier alone, goes; what carries both is of the one who stays.
        await AssertHasAsync(app, User, winner, [.. all.Concat(traffic.Acknowledged).Distinct().Where(Stays)]);
        await AssertHasAsync(app, Visitor, loser, [.. all.Concat(traffic.Acknowledged).Distinct().Where(id => !Stays(id))]);
        using (var old = await app.ReadAsync("/v1/profiles/" + loser))
            Assert.False(old.Headers.Contains("Cdp-Merged-From"));
        await AssertNothingFailedAsync(app);
    }

    private static bool Stays(string messageId) => messageId[0] != 'a';

    /// <summary>Sends and reads until it is over and all that was sent is processed.</summary>
    private static async Task<(TimeSpan Took, int Passes)> UnderTrafficAndReadsAsync(TestApp app, Traffic traffic, bool unmerging, Func<Task<bool>> isOver)
    {
        using var stop = new CancellationTokenSource();
        using var patience = new CancellationTokenSource(Patience);
        var sending = traffic.SendAsync(stop.Token);
        var reading = new[] { new Reader(app, User), new Reader(app, Visitor) };
        var passes = Task.WhenAll(reading.Select(reader => reader.ReadAsync(unmerging ? id => Stays(id) == (reader.Key == User) : _ => true, stop.Token)));
        var started = TimeProvider.System.GetTimestamp();
        while (!await isOver())
        {
            if (sending.IsCompleted || passes.IsCompleted)
                break;
            await Task.Delay(50, patience.Token);
        }

        var took = TimeProvider.System.GetElapsedTime(started);
        await stop.CancelAsync();
        await sending;
        var count = (await passes).Sum();
        while (await app.WaitingAsync() > 0)
            await Task.Delay(50, patience.Token);
        return (took, count);
    }

    private static IEnumerable<string> Imported(string prefix) => Enumerable.Range(0, EventsEach).Select(i => $"{prefix}-{i}");

    /// <summary>The two timelines interlace.</summary>
    private static async Task ImportAsync(TestApp app, string identity, string prefix)
    {
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, prefix == "u" ? 0 : 1, TimeSpan.Zero);
        foreach (var chunk in Enumerable.Range(0, EventsEach).Chunk(EventsPerRequest))
        {
            var events = chunk.Select(i =>
                $$$"""{"type":"track","event":"Viewed","messageId":"{{{prefix}}}-{{{i}}}",{{{identity}}},"timestamp":"{{{start.AddSeconds(2 * i):O}}}","properties":{"n":{{{i}}}}}""");
            using var response = await app.CollectAsync("/v1/batch", $$"""{"batch":[{{string.Join(',', events)}}]}""");
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        using var patience = new CancellationTokenSource(Patience);
        while (await app.WaitingAsync() > 0)
            await Task.Delay(50, patience.Token);
    }

    private static async Task<JsonElement[]> MergesAsync(TestApp app, string key) =>
        [.. (await app.ReadJsonAsync($"/v1/profiles/{key}/identities")).GetProperty("merges").EnumerateArray()];

    private static async Task<string> UnmergeAsync(TestApp app, string mergeId)
    {
        using var response = await app.SendAsync(
            HttpMethod.Post, $"/v1/profiles/{User}/unmerge", $$"""{"mergeId":"{{mergeId}}"}""", new AuthenticationHeaderValue("Bearer", TestApp.ApiKey));
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, text);
        return JsonDocument.Parse(text).RootElement.GetProperty("state").GetString()!;
    }

    private static async Task AssertHasAsync(TestApp app, string key, string id, string[] expected)
    {
        var profile = await app.ReadJsonAsync("/v1/profiles/" + key);
        Assert.Equal((id, expected.Length), (profile.GetProperty("id").GetString(), profile.GetProperty("counts").GetProperty("events").GetInt32()));
        var found = await new Reader(app, key).PassAsync();
        Assert.Equal(expected.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
    }

    private static async Task AssertNothingFailedAsync(TestApp app)
    {
        Assert.Empty((await app.ReadJsonAsync("/v1/failures")).GetProperty("data").EnumerateArray());
        Assert.Equal(0, await app.WaitingAsync("-poison"));
    }

    /// <summary>Events of either side and of both, at an even rate.</summary>
    private sealed class Traffic(TestApp app)
    {
        private readonly ConcurrentQueue<string> acknowledged = new();
        private int sent;

        public IReadOnlyCollection<string> Acknowledged => acknowledged;

        public void Acknowledge(string messageId) => acknowledged.Enqueue(messageId);

        public async Task SendAsync(CancellationToken stop)
        {
            using var pace = new PeriodicTimer(BetweenRequests);
            while (!stop.IsCancellationRequested)
            {
                var n = sent++;
                using var response = await app.CollectAsync("/v1/batch", $$"""
                    {"batch":[
                      {"type":"page","messageId":"u-t{{n}}","userId":"u1"},
                      {"type":"page","messageId":"a-t{{n}}","anonymousId":"a1"},
                      {"type":"page","messageId":"both-t{{n}}","userId":"u1","anonymousId":"a1"}]}
                    """);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                foreach (var kind in new[] { "u", "a", "both" })
                    Acknowledge($"{kind}-t{n}");
                await pace.WaitForNextTickAsync(CancellationToken.None);
            }
        }
    }

    /// <summary>Reads one timeline again and again: what it has seen once it sees each time.</summary>
    private sealed class Reader(TestApp app, string key)
    {
        private HashSet<string> seen = [];

        public string Key => key;

        /// <param name="keeps">What must stay on this timeline.</param>
        public async Task<int> ReadAsync(Func<string, bool> keeps, CancellationToken stop)
        {
            var passes = 0;
            for (; !stop.IsCancellationRequested || passes < 2; passes++)
            {
                var pass = await PassAsync();
                seen.RemoveWhere(id => !keeps(id));
                var missing = seen.Except(pass).ToList();
                Assert.True(missing.Count == 0, $"{key}, pass {passes}: {missing.Count} of {seen.Count} are missing, {string.Join(' ', missing.Take(5))}");
                seen = pass;
            }

            return passes;
        }

        public async Task<HashSet<string>> PassAsync()
        {
            var found = new HashSet<string>(StringComparer.Ordinal);
            var path = $"/v1/profiles/{key}/events?limit=1000";
            for (var next = ""; next is not null;)
            {
                var page = await app.ReadJsonAsync(path + next);
                foreach (var e in page.GetProperty("data").EnumerateArray())
                    Assert.True(found.Add(e.GetProperty("messageId").GetString()!), $"{key}: {e} twice");
                next = page.TryGetProperty("next", out var cursor) ? "&cursor=" + cursor.GetString() : null;
            }

            return found;
        }
    }
}
