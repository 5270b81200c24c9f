using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Cdp.Storage;
using CdpFunctions.Storage;
using Microsoft.Extensions.Configuration;

namespace Cdp.Benchmarks;

/// <summary>
/// Rows moved per second by a merge of two profiles of 5,000 events each, and by its unmerge, while both get events, against a bare loop that moves
/// the same rows and does nothing else. Target for the merge: at least 0.5 of it.
/// </summary>
internal static class MergeBenchmark
{
    private const int EventsEach = 5_000;
    private const int Rounds = 3;

    // Each with an event of either side.
    private static readonly TimeSpan BetweenRequests = TimeSpan.FromMilliseconds(50);

    public static async Task RunAsync()
    {
        for (var round = 1; round <= Rounds; round++)
        {
            await using var azurite = await Emulator.StartAsync();
            await using var app = await AppInProcess.StartAsync(azurite.ExtraConnectionString(0));
            await ImportAsync(app, "\"userId\":\"u1\"", "u");
            app.Rows.Transactions.Clear();
            await ImportAsync(app, "\"anonymousId\":\"a1\"", "a");
            List<RowWrite> imported = [.. app.Rows.Transactions.SelectMany(t => t.Writes).Where(w => w.Key[0] is 'e' or 'm')];
            // Before and after: a machine is not equally fast all the time.
            var before = await MoveBareAsync(azurite.ExtraConnectionString(1), imported);
            var (merge, unmerge) = await MeasureAsync(app);
            var after = await MoveBareAsync(azurite.ExtraConnectionString(2), imported);
            Console.WriteLine($"round {round}: bare loop {before:N0} and {after:N0} rows/s");
            Print("merge", merge, (before + after) / 2);
            Print("unmerge", unmerge, (before + after) / 2);
        }

        Console.WriteLine("target for the merge: at least 0.5");
    }

    private static void Print(string title, Moved moved, double bare)
    {
        var rate = moved.Rows / moved.Took.TotalSeconds;
        Console.WriteLine(
            $"{title}: {moved.Rows:N0} rows, {rate:N0} rows/s ({moved.SinceAskedFor.TotalSeconds:F1} s since it was asked for, {moved.Meanwhile} events meanwhile): {rate / bare:F2}");
    }

    private static async Task<(Moved Merge, Moved Unmerge)> MeasureAsync(AppInProcess app)
    {
        var merge = await MeasureAsync(app, "a|", http => PostAsync(http, "v1/identify", """{"messageId":"link","userId":"u1","anonymousId":"a1"}"""));
        using var http = Client(app);
        var identities = await http.GetFromJsonAsync<JsonElement>("v1/profiles/user_id:u1/identities");
        var request = new { mergeId = identities.GetProperty("merges")[0].GetProperty("id").GetString() };
        var unmerge = await MeasureAsync(app, "w|", h => h.PostAsJsonAsync("v1/profiles/user_id:u1/unmerge", request));
        return (merge, unmerge);
    }

    private static async Task ImportAsync(AppInProcess app, string identity, string prefix)
    {
        var before = app.Committed;
        await Load.SendAsync(
            app.Address, "v1/batch", [.. Enumerable.Range(0, EventsEach).Chunk(100).Select(chunk => Load.Batch(chunk.Select(i => Load.Track($"{prefix}{i}", identity, i))))], 4);
        await app.WaitForAsync(before + EventsEach);
    }

    /// <param name="permit">What the key of the row starts with that stands as long as rows are moved.</param>
    private static async Task<Moved> MeasureAsync(AppInProcess app, string permit, Func<HttpClient, Task<HttpResponseMessage>> ask)
    {
        app.Rows.Transactions.Clear();
        var committed = app.Committed;
        using var http = Client(app);
        using var stop = new CancellationTokenSource();
        var traffic = SendAsync(app, permit, stop.Token);
        var asked = Stopwatch.GetTimestamp();
        using (var response = await ask(http))
            response.EnsureSuccessStatusCode();
        RecordingRowStore.Transaction? end;
        while ((end = app.Rows.Transactions.FirstOrDefault(t => Array.Exists(t.Writes, w => w.Kind == RowWriteKind.Delete && IsPermit(w)))) is null)
            await Task.Delay(50);
        await stop.CancelAsync();
        await traffic;
        var start = app.Rows.Transactions.First(t => Array.Exists(t.Writes, w => w.Kind == RowWriteKind.Insert && IsPermit(w)));
        var deleted = app.Rows.Transactions.SelectMany(t => t.Writes).Where(w => w.Kind == RowWriteKind.Delete).Select(w => Place(w.Key)).ToHashSet(StringComparer.Ordinal);
        // What was inserted in one place and deleted in the other.
        var rows = app.Rows.Transactions.SelectMany(t => t.Writes).Count(w => w.Kind == RowWriteKind.Insert && w.Key[0] is 'e' or 'm' && deleted.Contains(Place(w.Key)));
        return new Moved(rows, Stopwatch.GetElapsedTime(start.At, end.At), Stopwatch.GetElapsedTime(asked, end.At), app.Committed - committed);

        bool IsPermit(RowWrite write) => write.Key.StartsWith(permit, StringComparison.Ordinal);
    }

    /// <summary>A row's key without its profile.</summary>
    private static string Place(string key)
    {
        var parts = key.Split('|');
        return parts[0] switch
        {
            "e" => string.Join('|', parts[2..]),
            "m" => parts[1],
            _ => key,
        };
    }

    private static async Task SendAsync(AppInProcess app, string run, CancellationToken stop)
    {
        using var pace = new PeriodicTimer(BetweenRequests);
        for (var n = 0; !stop.IsCancellationRequested; n++)
        {
            var events = new[] { Load.Track($"{run}u{n}", "\"userId\":\"u1\"", n), Load.Track($"{run}a{n}", "\"anonymousId\":\"a1\"", n) };
            await Load.SendAsync(app.Address, "v1/batch", [Load.Batch(events)], 1);
            await pace.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>Reads page by page, inserts and deletes in full transactions. Returns rows per second.</summary>
    private static async Task<double> MoveBareAsync(string storage, IReadOnlyList<RowWrite> rows)
    {
        const string from = "00";
        const string to = "01";
        var clients = StorageClients.Create(new ConfigurationBuilder().AddInMemoryCollection([new(StorageClients.Setting, storage)]).Build());
        await StorageSetup.CreateAllAsync(clients, CancellationToken.None);
        var store = new TableRowStore(clients.Tables);
        // An event and its marker stand next to each other.
        foreach (var chunk in rows.Chunk(StorageLimits.TransactionRows))
            await CommitAsync(store, from, chunk);
        var markers = rows.Chunk(2).ToDictionary(pair => pair[0].Key, pair => pair[1], StringComparer.Ordinal);

        var clock = Stopwatch.StartNew();
        var inserts = new List<RowWrite>();
        await foreach (var row in store.RangeAsync(TableName.Profiles, from, "e|", "e}", 1000, CancellationToken.None))
        {
            inserts.AddRange([RowWrite.Insert(row.Key, row.Data), markers[row.Key]]);
            if (inserts.Count < StorageLimits.TransactionRows)
                continue;
            await CommitAsync(store, to, inserts);
            inserts.Clear();
        }

        if (inserts.Count > 0)
            await CommitAsync(store, to, inserts);
        foreach (var chunk in rows.Chunk(StorageLimits.TransactionRows))
            await CommitAsync(store, from, [.. chunk.Select(row => RowWrite.Delete(row.Key))]);
        return rows.Count / clock.Elapsed.TotalSeconds;
    }

    private static async Task CommitAsync(TableRowStore store, string partition, IReadOnlyList<RowWrite> writes)
    {
        var result = await store.CommitAsync(TableName.Profiles, partition, writes, CancellationToken.None);
        if (!result.Committed)
            throw new InvalidOperationException($"The bare loop was refused: {result.Refusal} at {writes[result.RefusedIndex].Key}");
    }

    private static HttpClient Client(AppInProcess app)
    {
        var http = new HttpClient { BaseAddress = app.Address };
        http.DefaultRequestHeaders.Authorization = Load.ApiKey;
        return http;
    }

    private static async Task<HttpResponseMessage> PostAsync(HttpClient http, string path, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Authorization = Load.WriteKey;
        return await http.SendAsync(request);
    }

    /// <param name="Took">From the fold of the documents to the end.</param>
    private sealed record Moved(int Rows, TimeSpan Took, TimeSpan SinceAskedFor, long Meanwhile);
}
