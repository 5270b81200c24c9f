using System.Net;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues;
using CdpFunctions.Tests.Api;
using Xunit;
using Xunit.Abstractions;

namespace CdpFunctions.Tests.Imports;

/// <summary>Imports as a user does them: with the API and an upload by its link, on the emulator.</summary>
public sealed class ImportApiTests(ApiApp app, ITestOutputHelper output) : IClassFixture<ApiApp>
{
    private const int People = 20_000;

    [Fact]
    public async Task TwentyThousandRows_FromUploadToProfiles_AndTheSameFileAgainChangesNothing()
    {
        var csv = new StringBuilder("userId,traits.email,traits.name,traits.age:number,timestamp\r\n");
        for (var i = 0; i < People; i++)
        {
            csv.Append(i % 5000 == 4999
                ? $"big-{i},big-{i}@shop.example,\"Ann, of \"\"{i}\"\"\",no number,2025-01-02T03:04:05Z\r\n"
                : $"big-{i},big-{i}@shop.example,\"Ann, of \"\"{i}\"\"\",{i % 90},2025-01-02T03:04:05Z\r\n");
        }

        var file = Encoding.UTF8.GetBytes(csv.ToString());
        // A source of its own: the counters of this process are those of all apps in it, and every test has a source "local".
        Assert.Equal(HttpStatusCode.Created, (await app.CallAsync("PUT", "/v1/sources/import-20000", """{"name":"Customers","type":"http"}""")).Status);
        const string import = """{"sourceId":"import-20000","format":"csv"}""";
        var watch = System.Diagnostics.Stopwatch.StartNew();

        var done = await ImportAsync(import, file);

        var read = watch.Elapsed;
        Assert.Equal((People, People - 4, 4), Counts(done));
        Assert.Equal((file.Length, file.Length), (done.GetProperty("progress").GetProperty("bytes").GetInt32(), done.GetProperty("progress").GetProperty("of").GetInt32()));
        var report = await ReportAsync(done);
        Assert.Equal(["line,type,detail,record", .. new[] { 5001, 10001, 15001, 20001 }.Select(line => $"{line},invalid-field,\"traits.age: The cell is no number such as 12.50.\"")],
            report.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Select(line => line.Contains(",\"big-", StringComparison.Ordinal) ? line[..line.IndexOf(",\"big-", StringComparison.Ordinal)] : line));
        await QueueIsEmptyAsync();
        output.WriteLine($"{People} rows read in {read.TotalSeconds:F1} s, on profiles after {watch.Elapsed.TotalSeconds:F1} s");
        var profile = (await app.CallAsync("GET", "/v1/profiles/email:big-17@shop.example")).Json;
        Assert.Equal(("Ann, of \"17\"", 17), (profile.GetProperty("traits").GetProperty("name").GetString(), profile.GetProperty("traits").GetProperty("age").GetInt32()));
        Assert.Equal(HttpStatusCode.NotFound, (await app.CallAsync("GET", "/v1/profiles/user_id:big-4999")).Status);
        for (var i = 0; i < People; i += 997)
            Assert.Equal(1, (await app.CallAsync("GET", $"/v1/profiles/user_id:big-{i}")).Json.GetProperty("counts").GetProperty("events").GetInt32());
        Assert.Equal(People - 4, (await CountedAsync("import-20000")).Committed);

        await ImportAsync(import, file);
        await QueueIsEmptyAsync();

        Assert.Equal(1, (await app.CallAsync("GET", "/v1/profiles/email:big-17@shop.example")).Json.GetProperty("counts").GetProperty("events").GetInt32());
        var (committed, duplicates) = await CountedAsync("import-20000");
        Assert.Equal(People - 4, committed);
        // More where a message came twice.
        Assert.InRange(duplicates, People - 4, int.MaxValue);
    }

    [Fact]
    public async Task Preview_ShowsEvents_AndStoresNothing()
    {
        var (id, upload) = await AnnounceAsync("""{"sourceId":"local","format":"csv","delimiter":";","startOnUpload":false}""");
        Assert.Equal("409 import-not-uploaded", (await app.CallAsync("POST", $"/v1/imports/{id}/preview")).Problem);
        Assert.Equal("409 import-not-uploaded", (await app.CallAsync("POST", $"/v1/imports/{id}/start")).Problem);
        await UploadAsync(upload, "event;userId;properties.total:number\nOrder Completed;dry-1;9.90\nOrder Completed;dry-2;much\n"u8.ToArray());

        var preview = (await app.CallAsync("POST", $"/v1/imports/{id}/preview?rows=5")).Json;

        var rows = preview.GetProperty("rows").EnumerateArray().ToList();
        Assert.Equal([2, 3], rows.Select(row => row.GetProperty("line").GetInt32()));
        var stored = Assert.Single(rows[0].GetProperty("events").EnumerateArray());
        Assert.Equal(("track", "9.90", "local"), (stored.GetProperty("type").GetString(), stored.GetProperty("properties").GetProperty("total").GetRawText(), stored.GetProperty("sourceId").GetString()));
        Assert.Equal("/problems/invalid-field", Assert.Single(rows[1].GetProperty("rejected").EnumerateArray()).GetProperty("type").GetString());
        Assert.Equal("waiting", (await StateAsync(id)).GetProperty("state").GetString());
        Assert.Equal("400 invalid-field", (await app.CallAsync("POST", $"/v1/imports/{id}/preview?rows=0")).Problem);
        Assert.Equal(HttpStatusCode.NotFound, (await app.CallAsync("GET", "/v1/profiles/user_id:dry-1")).Status);

        // What the storage says of the upload starts it only where that was asked for.
        await NotifyAsync(id, "csv");
        await QueueIsEmptyAsync("imports");
        Assert.Equal("waiting", (await StateAsync(id)).GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", $"/v1/imports/{id}")).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", $"/v1/imports/{id}")).Problem);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("DELETE", $"/v1/imports/{id}")).Status);
    }

    [Fact]
    public async Task AnUploadThatTheStorageTellsOf_StartsTheImport()
    {
        var (id, upload) = await AnnounceAsync("""{"sourceId":"local","format":"jsonl"}""");
        await UploadAsync(upload, "{\"type\":\"identify\",\"userId\":\"grid-1\",\"traits\":{\"plan\":\"pro\"}}\nno json\n"u8.ToArray());

        await NotifyAsync(id, "jsonl");

        var done = await EndAsync(id);
        Assert.Equal(("done", (2, 1, 1)), (done.GetProperty("state").GetString(), Counts(done)));
        Assert.Contains("2,not-json,", await ReportAsync(done), StringComparison.Ordinal);
        await TestApp.WaitUntilAsync(async () => (await app.CallAsync("GET", "/v1/profiles/user_id:grid-1")).Status == HttpStatusCode.OK);
        var listed = (await app.CallAsync("GET", "/v1/imports?limit=1000")).Json.GetProperty("data").EnumerateArray().Select(import => import.GetProperty("id").GetString());
        Assert.Contains(id, listed);
    }

    [Fact]
    public async Task WhatCannotBeAnImport_IsRefused()
    {
        var answer = await app.CallAsync("POST", "/v1/imports", """{"sourceId":"NO","format":"xlsx","delimiter":"x","speed":1}""");
        Assert.Equal(("400 invalid-field", "sourceId format delimiter speed"), (answer.Problem, answer.Errors));
        Assert.Equal("sourceId", (await app.CallAsync("POST", "/v1/imports", """{"sourceId":"nobody","format":"csv"}""")).Errors);
        Assert.Equal("404 not-found", (await app.CallAsync("GET", "/v1/imports/imp_01J8ZQ4K3V5N6P7Q8R9S0T1V2W")).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/imports/nothing/start")).Problem);
        Assert.Equal("403 scope-missing", (await app.CallAsync("GET", "/v1/imports", key: await app.KeyAsync("profiles:read"))).Problem);
    }

    [Fact]
    public async Task TheLink_WritesOneFile_AndReadsNone()
    {
        var (_, upload) = await AnnounceAsync("""{"sourceId":"local","format":"csv","startOnUpload":false}""");
        await UploadAsync(upload, "userId\nu\n"u8.ToArray());
        using var http = new HttpClient();

        using var read = await http.GetAsync(upload);
        using var other = await PutAsync(http, new Uri(upload.AbsoluteUri.Replace("/imp_0", "/imp_1", StringComparison.Ordinal)), "x"u8.ToArray());
        using var removed = await http.DeleteAsync(upload);

        Assert.All([read, other, removed], answer => Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode));
    }

    private async Task<JsonElement> ImportAsync(string request, byte[] file)
    {
        var (id, upload) = await AnnounceAsync(request);
        await UploadAsync(upload, file);
        Assert.Equal(HttpStatusCode.Accepted, (await app.CallAsync("POST", $"/v1/imports/{id}/start")).Status);
        return await EndAsync(id);
    }

    private async Task<(string Id, Uri Upload)> AnnounceAsync(string request)
    {
        var answer = await app.CallAsync("POST", "/v1/imports", request);
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.Equal("waiting", answer.Json.GetProperty("state").GetString());
        return (answer.Json.GetProperty("id").GetString()!, new Uri(answer.Json.GetProperty("upload").GetProperty("url").GetString()!));
    }

    private static async Task UploadAsync(Uri link, byte[] file)
    {
        using var http = new HttpClient();
        using var answer = await PutAsync(http, link, file);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    private static async Task<HttpResponseMessage> PutAsync(HttpClient http, Uri link, byte[] file)
    {
        using var content = new ByteArrayContent(file);
        content.Headers.Add("x-ms-blob-type", "BlockBlob");
        return await http.PutAsync(link, content);
    }

    /// <summary>As Event Grid delivers to a queue.</summary>
    private async Task NotifyAsync(string id, string format)
    {
        var told = $$"""
            {"topic":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a","subject":"/blobServices/default/containers/imports/blobs/files/{{id}}.{{format}}",
             "eventType":"Microsoft.Storage.BlobCreated","id":"1","data":{"api":"PutBlob","contentLength":10,"blobType":"BlockBlob"},"dataVersion":"","metadataVersion":"1","eventTime":"2026-01-02T03:04:05Z"}
            """;
        await Queue("imports").SendMessageAsync(Convert.ToBase64String(Encoding.UTF8.GetBytes(told)));
    }

    private async Task<JsonElement> StateAsync(string id) => (await app.CallAsync("GET", $"/v1/imports/{id}")).Json;

    private async Task<JsonElement> EndAsync(string id)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (true)
        {
            var state = await StateAsync(id);
            if (state.GetProperty("state").GetString() is "done" or "failed")
                return state;
            await Task.Delay(50, patience.Token);
        }
    }

    private static (int Rows, int Accepted, int Rejected) Counts(JsonElement import) =>
        (import.GetProperty("rows").GetInt32(), import.GetProperty("accepted").GetInt32(), import.GetProperty("rejected").GetInt32());

    private static async Task<string> ReportAsync(JsonElement import)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(import.GetProperty("report").GetProperty("url").GetString()!));
    }

    private async Task QueueIsEmptyAsync(string name = "events")
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while ((await Queue(name).GetPropertiesAsync()).Value.ApproximateMessagesCount > 0)
            await Task.Delay(50, patience.Token);
    }

    private QueueClient Queue(string name) =>
        new QueueServiceClient(app.App.ConnectionString, new QueueClientOptions { MessageEncoding = QueueMessageEncoding.None }).GetQueueClient(name);

    private async Task<(int Committed, int Duplicates)> CountedAsync(string source)
    {
        var events = (await app.CallAsync("GET", "/v1/stats?sourceId=" + source)).Json.GetProperty("events");
        return (events.GetProperty("committed").GetInt32(), events.GetProperty("duplicates").GetInt32());
    }
}
