using System.Net;
using System.Text.Json;
using Cdp.Events;
using Cdp.Exports;
using Cdp.Segments.Definitions;
using Cdp.Storage;
using Cdp.Tests.Exports;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Exports;

/// <summary>20,000 members in the app's own rows on the emulator, exported over HTTP and downloaded by links alone.</summary>
public sealed class LargeExportApiTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int People = 20_200;

    private TestApp? app;

    private TestApp App => app!;

    public async Task InitializeAsync() => app = await TestApp.StartAsync(new Dictionary<string, string?> { ["Cdp:ExportRowsPerPart"] = "6000" });

    public Task DisposeAsync() => App.DisposeAsync().AsTask();

    [Fact]
    public async Task TwentyThousandMembers_EqualTheirCsv_AndADeltaHasWhatChanged()
    {
        using (await SendAsync(HttpMethod.Put, "/v1/segments/gold", """{"where":{"trait":"plan","eq":"gold"}}"""))
        {
        }

        var rows = App.Services.GetRequiredService<IRowStore>();
        var set = await App.Services.GetRequiredService<DefinitionStore>().LoadAsync(default);
        var now = Instant.Now(TimeProvider.System);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var people = Enumerable.Range(0, People).Select(static i => (StoredPeople.Id(i), StoredPeople.Identify(i, IsMember(i) ? "gold" : "basic")));
        await StoredPeople.WriteAsync(rows, set, people, now);
        output.WriteLine($"written in {watch.Elapsed.TotalSeconds:F1} s");
        watch.Restart();
        var fields = JsonSerializer.Serialize(StoredPeople.Fields);

        var full = await ExportAsync($$"""{"format":"csv","mode":"full","compression":"gzip","fields":{{fields}}}""");

        output.WriteLine($"{full.Rows.Count} members exported in {watch.Elapsed.TotalSeconds:F1} s");
        var members = Enumerable.Range(0, People).Where(IsMember).OrderBy(static i => MemberKey.Of(StoredPeople.Id(i)), StringComparer.Ordinal).ToList();
        Assert.Equal(20_000, members.Count);
        Assert.Equal(members.Select(static i => StoredPeople.Row(i)), full.Rows);
        Assert.Equal(4, full.Manifest.GetProperty("parts").GetArrayLength());
        Assert.Contains(full.Rows, static row => row["traits.name"].StartsWith("'=HYPERLINK(", StringComparison.Ordinal));

        await StoredPeople.ChangeAsync(rows, set, StoredPeople.Id(1), StoredPeople.Identify(1, "gold", "=new", second: 1), now);
        await StoredPeople.ChangeAsync(rows, set, StoredPeople.Id(2), StoredPeople.Identify(2, "basic", "gone", second: 1), now);
        await StoredPeople.ChangeAsync(rows, set, StoredPeople.Id(101), StoredPeople.Identify(101, "gold", "came", second: 1), now);
        using (var sent = await App.CollectAsync("/v1/identify", """{"messageId":"m1","userId":"live","traits":{"plan":"gold","name":"Live"}}"""))
            Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        await App.WaitForMessageAsync("m1");
        var delta = await ExportAsync($$"""{"format":"jsonl","mode":"delta","compression":"none","fields":{{fields}}}""");

        Assert.Equal(
            ["\"entered\" \"Live\"", "\"entered\" \"came\"", "\"exited\" \"gone\"", "\"updated\" \"=new\""],
            delta.Rows.Select(static row => $"{row["change"]} {row["traits.name"]}").Order(StringComparer.Ordinal));
        Assert.Equal((2, 1), (delta.Manifest.GetProperty("entered").GetInt32(), delta.Manifest.GetProperty("exited").GetInt32()));
    }

    // All but 200.
    private static bool IsMember(int number) => number % 101 != 0;

    private async Task<ExportedFiles> ExportAsync(string json)
    {
        using var asked = await SendAsync(HttpMethod.Post, "/v1/segments/gold/exports", json);
        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        var location = asked.Headers.Location!.ToString();
        return await Downloads.ReadAsync(await Downloads.WaitAsync(() => App.ReadJsonAsync(location)));
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string json)
    {
        var answer = await App.SendAsync(method, path, json, new("Bearer", TestApp.ApiKey));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return answer;
    }
}
