using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Tests.Collect;

public sealed class CollectHttpTests(CollectApp app) : IClassFixture<CollectApp>
{
    private const string Page = "https://shop.example";

    [Theory]
    [InlineData("t", "track")]
    [InlineData("i", "identify")]
    [InlineData("p", "page")]
    [InlineData("s", "screen")]
    [InlineData("g", "group")]
    [InlineData("a", "alias")]
    [InlineData("track", "track")]
    [InlineData("identify", "identify")]
    [InlineData("page", "page")]
    [InlineData("screen", "screen")]
    [InlineData("group", "group")]
    [InlineData("alias", "alias")]
    [InlineData("merge", "merge")]
    [InlineData("MERGE", "merge")]
    [InlineData("track/", "track")]
    public async Task Each_path_decides_the_type(string path, string type)
    {
        var id = Id();
        using var response = await app.PostAsync("/v1/" + path, $$"""{"messageId":"{{id}}","userId":"u","event":"e","groupId":"g","previousId":"p","mergeProperties":[{"type":"email","value":"ann@shop.example"}],"extra":1.50}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("""{"success":true}""", await response.Content.ReadAsStringAsync());
        Assert.NotEmpty(response.Headers.GetValues("Cdp-Request-Id").Single());
        var (json, historical) = (await app.QueuedAsync(id))!.Value;
        Assert.Equal(type, json.GetProperty("type").GetString());
        Assert.Equal("local", json.GetProperty("sourceId").GetString());
        Assert.Equal("1.50", json.GetProperty("extra").GetRawText());
        Assert.False(historical);
    }

    [Theory]
    [InlineData("/v1/batch", false)]
    [InlineData("/v1/b", false)]
    [InlineData("/v1/import", true)]
    [InlineData("/beacon/v1/batch", false)]
    [InlineData("/v1/batch/", false)]
    public async Task Batches_are_taken(string path, bool historical)
    {
        var id = Id();
        using var response = await app.PostAsync(path, $$"""{"batch":[{"type":"page","userId":"u","messageId":"{{id}}"},{"type":"page","messageId":"bad"}]}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var body = await JsonAsync(response);
        Assert.True(body.GetProperty("success").GetBoolean());
        Assert.Equal(1, body.GetProperty("accepted").GetInt32());
        var rejected = Assert.Single(body.GetProperty("rejected").EnumerateArray());
        Assert.Equal((1, "bad", "/problems/no-identity"), (rejected.GetProperty("index").GetInt32(), rejected.GetProperty("messageId").GetString(), rejected.GetProperty("type").GetString()));
        Assert.Equal(historical, (await app.QueuedAsync(id))!.Value.Historical);
    }

    [Fact]
    public async Task A_merge_call_is_taken_in_a_batch_and_refused_with_its_path()
    {
        var id = Id();
        const string good = """{"type":"email","value":"alex@example.org"}""";
        using var batch = await app.PostAsync("/v1/batch", $$"""{"batch":[{"type":"merge","messageId":"{{id}}","mergeProperties":[{{good}}]},{"type":"merge","userId":"u","mergeProperties":[]}]}""");
        Assert.Equal(HttpStatusCode.OK, batch.StatusCode);
        Assert.Equal(1, (await JsonAsync(batch)).GetProperty("accepted").GetInt32());
        Assert.Equal($"[{good}]", (await app.QueuedAsync(id))!.Value.Json.GetProperty("mergeProperties").GetRawText());

        using var single = await app.PostAsync("/v1/merge", $$"""{"userId":"u","mergeProperties":[{{good}},{"type":"mobile"}]}""");
        var problem = await AssertProblemAsync(single, HttpStatusCode.BadRequest, "invalid-field");
        Assert.Equal("mergeProperties[1].value", problem.GetProperty("errors")[0].GetProperty("path").GetString());
        using var nobody = await app.PostAsync("/v1/merge", """{"mergeProperties":[{"type":"shoe size","value":43}]}""");
        await AssertProblemAsync(nobody, HttpStatusCode.BadRequest, "no-identity");
    }

    [Fact]
    public async Task Metrics_of_the_browser_SDK_are_taken_and_stored_nowhere()
    {
        using var response = await app.PostAsync("/v1/m", new StringContent("""{"series":[1]}"""));
        Assert.Equal("""{"success":true}""", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("", "Basic bG9jYWw6", "")]
    [InlineData("", "basic bG9jYWw6cGFzc3dvcmQ=", "")]
    [InlineData("", "Bearer local", "wrong")]
    [InlineData("?writeKey=local", null, "wrong")]
    [InlineData("?writeKey=local", "Basic OnBhc3N3b3Jk", "")]
    [InlineData("", null, "local")]
    [InlineData("?writeKey=wrong", "Basic bG9jYWw6", "wrong")]
    [InlineData("?writeKey=&writeKey=local&writeKey=wrong", null, "wrong")]
    public async Task The_key_is_the_first_of_basic_bearer_query_and_body(string query, string? authorization, string bodyKey)
    {
        (string, string)[] headers = authorization is null ? [] : [("Authorization", authorization)];
        // analytics.js sends text/plain, to be spared the preflight request.
        using var response = await app.PostAsync("/v1/t" + query, new StringContent($$"""{"event":"e","userId":"u","writeKey":"{{bodyKey}}"}""", Encoding.UTF8, "text/plain"), headers);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Basic d3Jvbmc6")]
    [InlineData("Bearer wrong")]
    public async Task Without_a_known_key_it_is_401(string? authorization)
    {
        (string, string)[] headers = authorization is null ? [] : [("Authorization", authorization)];
        using var response = await app.PostAsync("/v1/t", new StringContent("""{"event":"e","userId":"u"}"""), [.. headers, ("Origin", Page)]);
        await AssertProblemAsync(response, HttpStatusCode.Unauthorized, "unknown-write-key");
        AssertCors(response);
    }

    [Theory]
    [InlineData("{", 400, "not-json")]
    [InlineData("[]", 400, "not-an-object")]
    [InlineData("""{"event":"e"}""", 400, "no-identity")]
    [InlineData("""{"userId":"u"}""", 400, "invalid-field")]
    [InlineData("""{"event":"e","userId":"u","type":"page"}""", 400, "invalid-field")]
    public async Task Bad_events_are_problems_that_a_page_can_read(string body, int status, string code)
    {
        using var response = await app.PostAsync("/v1/track", body, ("Origin", Page));
        await AssertProblemAsync(response, (HttpStatusCode)status, code);
        AssertCors(response);
    }

    [Fact]
    public async Task A_batch_of_nothing_but_bad_events_is_400_with_errors()
    {
        using var response = await app.PostAsync("/v1/batch", """{"batch":[{"type":"dance","userId":"u"}]}""");
        var problem = await AssertProblemAsync(response, HttpStatusCode.BadRequest, "unknown-type");
        Assert.Equal("batch[0].type", problem.GetProperty("errors")[0].GetProperty("path").GetString());
        using var empty = await app.PostAsync("/v1/batch", """{"batch":[]}""");
        await AssertProblemAsync(empty, HttpStatusCode.BadRequest, "empty-batch");
    }

    [Fact]
    public async Task Sizes_are_limited_by_path()
    {
        var event33 = $$"""{"event":"e","userId":"u","x":"{{new string('x', 33 * 1024)}}"}""";
        using var large = await app.PostAsync("/v1/track", event33);
        await AssertProblemAsync(large, HttpStatusCode.RequestEntityTooLarge, "event-too-large");

        var padding = new string(' ', 600 * 1024);
        using var single = await app.PostAsync("/v1/track", padding + """{"event":"e","userId":"u"}""");
        await AssertProblemAsync(single, HttpStatusCode.RequestEntityTooLarge, "request-too-large");
        const string batch = """{"batch":[{"type":"page","userId":"u"}]}""";
        using var browser = await app.PostAsync("/v1/b", padding + batch);
        await AssertProblemAsync(browser, HttpStatusCode.RequestEntityTooLarge, "request-too-large");
        using var server = await app.PostAsync("/v1/batch", padding + batch);
        Assert.Equal(HttpStatusCode.OK, server.StatusCode);
        using var chunked = await app.PostAsync("/v1/batch", new StreamContent(new Endless(CollectApp.MaxBatchBytes + 1)), ("Authorization", "Bearer local"));
        await AssertProblemAsync(chunked, HttpStatusCode.RequestEntityTooLarge, "request-too-large");
    }

    [Fact]
    public async Task Gzip_is_inflated_to_the_limit_and_no_further()
    {
        var id = Id();
        using var taken = await PostGzipAsync("/v1/batch", Encoding.UTF8.GetBytes($$"""{"batch":[{"type":"page","userId":"u","messageId":"{{id}}"}],"writeKey":"local"}"""));
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
        Assert.NotNull(await app.QueuedAsync(id));

        using var bomb = await PostGzipAsync("/v1/batch", new byte[200_000_000]);
        await AssertProblemAsync(bomb, HttpStatusCode.RequestEntityTooLarge, "request-too-large");

        using var broken = await app.PostAsync("/v1/batch", Encoded("{}"u8.ToArray(), "gzip"));
        await AssertProblemAsync(broken, HttpStatusCode.BadRequest, "not-json");
        using var brotli = await app.PostAsync("/v1/batch", Encoded("{}"u8.ToArray(), "br"), ("Origin", Page));
        await AssertProblemAsync(brotli, HttpStatusCode.UnsupportedMediaType, "unsupported-encoding");
        AssertCors(brotli);
        using var identity = await app.PostAsync("/v1/t", Encoded("""{"event":"e","userId":"u","writeKey":"local"}"""u8.ToArray(), "identity"));
        Assert.Equal(HttpStatusCode.OK, identity.StatusCode);
    }

    [Fact]
    public async Task Gzip_of_several_members_is_one_body_and_none_of_them_may_be_cut_off()
    {
        var id = Id();
        var body = Encoding.UTF8.GetBytes($$"""{"event":"e","userId":"u","messageId":"{{id}}","writeKey":"local"}""");
        var first = Compress(body[..20]);
        byte[] members = [.. first, .. Compress([]), .. Compress(body[20..])];
        using var taken = await app.PostAsync("/v1/t", Encoded(members, "gzip"));
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
        Assert.NotNull(await app.QueuedAsync(id));

        for (var length = 0; length < members.Length; length++)
        {
            using var cutOff = await app.PostAsync("/v1/t", Encoded(members[..length], "gzip"));
            await AssertProblemAsync(cutOff, HttpStatusCode.BadRequest, "not-json");
        }

        using var followed = await app.PostAsync("/v1/t", Encoded([.. members, 1], "gzip"));
        await AssertProblemAsync(followed, HttpStatusCode.BadRequest, "not-json");
        members[^8] ^= 1;
        using var damaged = await app.PostAsync("/v1/t", Encoded(members, "gzip"));
        await AssertProblemAsync(damaged, HttpStatusCode.BadRequest, "not-json");

        var start = """{"event":"e","userId":"u","writeKey":"local"}"""u8;
        var full = new byte[Cdp.Collect.CollectLimits.RequestBytes + 1];
        full.AsSpan().Fill((byte)' ');
        start.CopyTo(full);
        using var over = await app.PostAsync("/v1/t", Encoded(Compress(full), "gzip"));
        await AssertProblemAsync(over, HttpStatusCode.RequestEntityTooLarge, "request-too-large");
        using var atLimit = await app.PostAsync("/v1/t", Encoded(Compress(full[..^1]), "gzip"));
        Assert.Equal(HttpStatusCode.OK, atLimit.StatusCode);
    }

    [Theory]
    [InlineData("/v1/t")]
    [InlineData("/v1/batch")]
    [InlineData("/v1/m")]
    [InlineData("/beacon/v1/batch")]
    [InlineData("/sourceConfig")]
    public async Task A_preflight_request_is_allowed_what_the_SDKs_send(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, path);
        request.Headers.Add("Origin", Page);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
        using var response = await app.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        AssertCors(response);
        Assert.NotEmpty(response.Headers.GetValues("Cdp-Request-Id").Single());
        var allowed = response.Headers.GetValues("Access-Control-Allow-Headers").Single().Split(", ");
        Assert.All(
            ["authorization", "content-type", "x-retry-count", "anonymousid", "sentat", "rsa-recovered", "rsa-retry-attempt", "rsa-since-last-attempt", "rsa-since-first-attempt", "rsa-retry-reason"],
            header => Assert.Contains(header, allowed));
        Assert.Contains("POST", response.Headers.GetValues("Access-Control-Allow-Methods").Single(), StringComparison.Ordinal);
        Assert.NotEmpty(response.Headers.GetValues("Access-Control-Max-Age").Single());
    }

    [Fact]
    public async Task A_success_can_be_read_by_the_page_too()
    {
        using var response = await app.PostAsync("/v1/t", """{"event":"e","userId":"u"}""", ("Origin", Page));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        AssertCors(response);
    }

    [Fact]
    public async Task A_source_may_be_disabled_or_keep_to_some_origins_or_be_slow()
    {
        const string body = """{"event":"e","userId":"u"}""";
        using var disabled = await app.PostAsync("/v1/t", new StringContent(body), ("Authorization", "Bearer wk_disabled"), ("Origin", Page));
        await AssertProblemAsync(disabled, HttpStatusCode.Forbidden, "source-disabled");
        AssertCors(disabled);
        using var listed = await app.PostAsync("/v1/t", new StringContent(body), ("Authorization", "Bearer wk_shop"), ("Origin", Page));
        Assert.Equal(HttpStatusCode.OK, listed.StatusCode);
        using var stranger = await app.PostAsync("/v1/t", new StringContent(body), ("Authorization", "Bearer wk_shop"), ("Origin", "https://evil.example"));
        await AssertProblemAsync(stranger, HttpStatusCode.Forbidden, "origin-not-allowed");
        AssertCors(stranger, "https://evil.example");

        using var first = await app.PostAsync("/v1/t", new StringContent(body), ("Authorization", "Bearer wk_slow"));
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        using var second = await app.PostAsync("/v1/t", new StringContent(body), ("Authorization", "Bearer wk_slow"), ("Origin", Page));
        await AssertProblemAsync(second, HttpStatusCode.TooManyRequests, "rate-limited");
        AssertCors(second);
        var seconds = second.Headers.GetValues("Retry-After").Single();
        Assert.InRange(int.Parse(seconds), 900, 1000);
        Assert.Equal(seconds, second.Headers.GetValues("x-ratelimit-reset").Single());
    }

    [Fact]
    public async Task A_new_source_works_at_once()
    {
        using var before = await app.PostAsync("/v1/t", new StringContent("""{"event":"e","userId":"u"}"""), ("Authorization", "Bearer wk_new"));
        Assert.Equal(HttpStatusCode.Unauthorized, before.StatusCode);
        await app.PutAsync(new Cdp.Sources.Source("new", "", "http", true, [CollectApp.Key("wk_new")]));
        using var after = await app.PostAsync("/v1/t", new StringContent("""{"event":"e","userId":"u"}"""), ("Authorization", "Bearer wk_new"));
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }

    [Fact]
    public async Task Address_and_user_agent_come_from_the_request()
    {
        var id = Id();
        using var response = await app.PostAsync("/v1/t", $$"""{"event":"e","userId":"u","messageId":"{{id}}"}""", ("X-Forwarded-For", "203.0.113.9:4711, 10.0.0.1"), ("User-Agent", "Till/1.0 (\"x\\y\")"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var context = (await app.QueuedAsync(id))!.Value.Json.GetProperty("context");
        Assert.Equal("203.0.113.9", context.GetProperty("ip").GetString());
        Assert.Equal("Till/1.0 (\"x\\y\")", context.GetProperty("userAgent").GetString());

        id = Id();
        using var direct = await app.PostAsync("/v1/t", $$"""{"event":"e","userId":"u","messageId":"{{id}}"}""");
        Assert.Equal("127.0.0.1", (await app.QueuedAsync(id))!.Value.Json.GetProperty("context").GetProperty("ip").GetString());
    }

    [Theory]
    [InlineData("/v1/pixel/track?writeKey=local&userId=u&event=Opened&messageId=ID&properties.mail.id=7", "track")]
    [InlineData("/v1/pixel/page?writeKey=local&anonymousId=a&messageId=ID", "page")]
    [InlineData("/pixel.gif?writeKey=local&anonymousId=a&messageId=ID", "page")]
    [InlineData("/pixel.gif?type=identify&writeKey=local&userId=a&messageId=ID&traits.x=1&traits.x=2", "identify")]
    [InlineData("/v1/pixel/track?data=DATA", "track")]
    [InlineData("/v1/pixel/merge?data=DATA", null)]
    [InlineData("/pixel.gif?type=merge&writeKey=local&userId=u&messageId=ID&mergeProperties.type=email&mergeProperties.value=a@b.c", null)]
    [InlineData("/v1/pixel/track?writeKey=local", null)]
    [InlineData("/v1/pixel/track?userId=u&event=e", null)]
    [InlineData("/v1/pixel/dance?writeKey=local&userId=u", null)]
    [InlineData("/v1/pixel/track?data=%%%", null)]
    [InlineData("/v1/pixel/track?writeKey=local&a=1&a.b=2", null)]
    [InlineData("/v1/pixel/track", null)]
    [InlineData("/pixel.gif", null)]
    public async Task A_pixel_is_always_the_image(string path, string? type)
    {
        var id = Id();
        var data = Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"writeKey":"local","event":"e","userId":"u","messageId":"{{id}}","mergeProperties":[{"type":"email","value":"a@b.c"}]}""")).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        using var response = await app.Client.GetAsync(path.Replace("ID", id, StringComparison.Ordinal).Replace("DATA", data, StringComparison.Ordinal));
        await AssertGifAsync(response);
        var queued = await app.QueuedAsync(id);
        Assert.Equal(type, queued?.Json.GetProperty("type").GetString());
    }

    /// <summary>A request's own collection of parameters ignores case, and would make one list of both.</summary>
    [Fact]
    public async Task A_pixels_names_are_case_sensitive()
    {
        var id = Id();
        using var response = await app.Client.GetAsync($"/v1/pixel/track?writekey=x&writeKey=local&UserId=U&userId=u&event=e&messageId={id}&Data=d&properties.A=1&properties.a=2");
        await AssertGifAsync(response);
        var json = (await app.QueuedAsync(id))!.Value.Json;
        Assert.Equal("""{"A":"1","a":"2"}""", json.GetProperty("properties").GetRawText());
        Assert.Equal(["x", "U", "u", "d"], ((string[])["writekey", "UserId", "userId", "Data"]).Select(name => json.GetProperty(name).GetString()));
    }

    [Fact]
    public async Task Settings_tell_analytics_js_where_to_send()
    {
        using var response = await app.Client.GetAsync("/v1/projects/local/settings");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var settings = await JsonAsync(response);
        var segment = settings.GetProperty("integrations").GetProperty("Segment.io");
        Assert.Equal("local", segment.GetProperty("apiKey").GetString());
        Assert.Equal(app.Client.BaseAddress!.Authority + "/v1", segment.GetProperty("apiHost").GetString());
        Assert.Equal("http", segment.GetProperty("protocol").GetString());
        Assert.Equal(0, settings.GetProperty("metrics").GetProperty("sampleRate").GetInt32());

        using var mobile = await app.Client.GetAsync("/projects/local/settings");
        Assert.Equal(HttpStatusCode.OK, mobile.StatusCode);
        using var unknown = await app.Client.GetAsync("/v1/projects/wrong/settings");
        await AssertProblemAsync(unknown, HttpStatusCode.Unauthorized, "unknown-write-key");
    }

    [Fact]
    public async Task Settings_behind_a_proxy_name_the_address_the_client_used()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/projects/local/settings");
        request.Headers.Add("X-Forwarded-Proto", "https, http");
        request.Headers.Add("X-Forwarded-Host", "cdp.shop.example");
        using var response = await app.Client.SendAsync(request);
        var segment = (await JsonAsync(response)).GetProperty("integrations").GetProperty("Segment.io");
        Assert.Equal("https cdp.shop.example/v1", segment.GetProperty("protocol").GetString() + " " + segment.GetProperty("apiHost").GetString());
    }

    [Fact]
    public async Task SourceConfig_has_what_RudderStack_needs()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/sourceConfig/?p=cdn&v=3.0.0&build=modern&writeKey=local");
        request.Headers.Authorization = TestApp.Basic("local");
        using var response = await app.Client.SendAsync(request);
        var source = (await JsonAsync(response)).GetProperty("source");
        Assert.Equal("local", source.GetProperty("id").GetString());
        Assert.Equal(JsonValueKind.Object, source.GetProperty("config").ValueKind);
        Assert.Equal(JsonValueKind.Array, source.GetProperty("destinations").ValueKind);
        Assert.True(source.GetProperty("enabled").GetBoolean());
        using var unknown = await app.Client.GetAsync("/sourceConfig");
        await AssertProblemAsync(unknown, HttpStatusCode.Unauthorized, "unknown-write-key");
    }

    [Theory]
    [InlineData("/v1/tracks")]
    [InlineData("/v1/x")]
    [InlineData("/v1")]
    public async Task Other_paths_are_not_collectors(string path)
    {
        using var response = await app.PostAsync(path, "{}");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    private static string Id() => Guid.NewGuid().ToString("N");

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage response) =>
        JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;

    internal static async Task<JsonElement> AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string code)
    {
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        var problem = await JsonAsync(response);
        Assert.Equal("/problems/" + code, problem.GetProperty("type").GetString());
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.NotEmpty(problem.GetProperty("detail").GetString()!);
        Assert.Equal(response.Headers.GetValues("Cdp-Request-Id").Single(), problem.GetProperty("requestId").GetString());
        return problem;
    }

    internal static async Task AssertGifAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("image/gif", response.Content.Headers.ContentType!.MediaType);
        Assert.True(response.Headers.CacheControl!.NoStore);
        var gif = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal(43, gif.Length);
        Assert.Equal("GIF89a"u8.ToArray(), gif[..6]);
    }

    private static void AssertCors(HttpResponseMessage response, string origin = Page)
    {
        Assert.Equal(origin, response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        if (response.RequestMessage!.Method != HttpMethod.Options)
            Assert.Equal("Retry-After, x-ratelimit-reset", response.Headers.GetValues("Access-Control-Expose-Headers").Single());
    }

    private static ByteArrayContent Encoded(byte[] body, string encoding) => new(body) { Headers = { ContentEncoding = { encoding } } };

    private Task<HttpResponseMessage> PostGzipAsync(string path, byte[] body) => app.PostAsync(path, Encoded(Compress(body), "gzip"));

    private static byte[] Compress(byte[] body)
    {
        var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
            gzip.Write(body);
        return target.ToArray();
    }

    /// <summary>Spaces, of a length nobody announces.</summary>
    private sealed class Endless(int length) : Stream
    {
        private int left = length;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = Math.Min(left, count);
            buffer.AsSpan(offset, read).Fill((byte)' ');
            left -= read;
            return read;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>With the queue taken down; apart from the others, who need it.</summary>
public sealed class CollectWithoutQueueTests(CollectApp app) : IClassFixture<CollectApp>
{
    [Fact]
    public async Task While_the_queue_is_down_collectors_say_so_and_pixels_do_not()
    {
        app.IsQueueDown = true;
        using var response = await app.PostAsync("/v1/t", """{"event":"e","userId":"u"}""");
        await CollectHttpTests.AssertProblemAsync(response, HttpStatusCode.ServiceUnavailable, "storage-unavailable");
        Assert.Equal("1", response.Headers.GetValues("Retry-After").Single());
        using var pixel = await app.Client.GetAsync("/v1/pixel/page?writeKey=local&userId=u");
        await CollectHttpTests.AssertGifAsync(pixel);
        app.IsQueueDown = false;
        using var again = await app.PostAsync("/v1/t", """{"event":"e","userId":"u"}""");
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }
}
