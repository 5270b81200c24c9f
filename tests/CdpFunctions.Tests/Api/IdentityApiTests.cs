using System.Net;
using System.Text.Json;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>Decisions about who is who, over HTTP: shared devices, quarantine, unmerge.</summary>
public sealed class IdentityApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    private readonly string tag = Guid.NewGuid().ToString("n");

    [Fact]
    public async Task SharedDevice_KeepsTwoPeople_AndItsAnonymousEventsGoToAThird()
    {
        var ann = await app.CollectAsync("identify", $$"""{"messageId":"ann-{{tag}}","userId":"ann-{{tag}}","anonymousId":"device-{{tag}}"}""");
        var ben = await app.CollectAsync("identify", $$"""{"messageId":"ben-{{tag}}","userId":"ben-{{tag}}","anonymousId":"device-{{tag}}"}""");
        var nobody = await app.CollectAsync("page", $$"""{"messageId":"nobody-{{tag}}","anonymousId":"device-{{tag}}"}""");

        Assert.Equal(3, new[] { ann, ben, nobody }.Select(s => s.GetProperty("profileId").GetString()).Distinct().Count());
        var identities = (await app.CallAsync("GET", $"/v1/profiles/user_id:ann-{tag}/identities")).Json;
        Assert.Contains(identities.GetProperty("data").EnumerateArray(), i => i.GetProperty("type").GetString() == "anonymous_id" && i.GetProperty("state").GetString() == "rejected");
        Assert.Contains(identities.GetProperty("decisions").EnumerateArray(), d => d.GetProperty("action").GetString() == "detached" && d.GetProperty("messageId").GetString() == $"ben-{tag}");
        Assert.False((await app.CallAsync("GET", $"/v1/profiles/user_id:ann-{tag}")).Json.GetProperty("identifiers").TryGetProperty("anonymous_id", out _));
    }

    [Fact]
    public async Task Quarantine_IsListed_CanBeReleasedOnce_AndNeedsTheAdminScope()
    {
        var till = $"till-{tag}@shop.test";
        for (var i = 0; i <= 20; i++)
            await app.CollectAsync("identify", $$$"""{"messageId":"r{{{i}}}-{{{tag}}}","anonymousId":"v{{{i}}}-{{{tag}}}","traits":{"email":"{{{till}}}"}}""");

        var listed = (await app.CallAsync("GET", "/v1/identity-quarantine")).Json.GetProperty("data").EnumerateArray().Single(q => q.GetProperty("value").GetString() == till);
        Assert.Equal(("email", "email.quarantine.anonymous_id"), (listed.GetProperty("type").GetString(), listed.GetProperty("rule").GetString()));
        var identities = (await app.CallAsync("GET", $"/v1/profiles/email:{till}/identities")).Json;
        Assert.Contains(identities.GetProperty("data").EnumerateArray(), i => i.GetProperty("value").GetString() == till && i.GetProperty("state").GetString() == "quarantined");

        var body = JsonSerializer.Serialize(new { type = "email", value = till.ToUpperInvariant() });
        Assert.Equal("403 scope-missing", (await app.CallAsync("POST", "/v1/identity-quarantine/release", body, await app.KeyAsync("profiles:read"))).Problem);
        Assert.Equal(HttpStatusCode.Accepted, (await app.CallAsync("POST", "/v1/identity-quarantine/unmerge", body)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await app.CallAsync("POST", "/v1/identity-quarantine/release", body)).Status);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", "/v1/identity-quarantine/release", body)).Problem);
        Assert.DoesNotContain((await app.CallAsync("GET", "/v1/identity-quarantine")).Json.GetProperty("data").EnumerateArray(), q => q.GetProperty("value").GetString() == till);
        Assert.Equal("400 invalid-field", (await app.CallAsync("POST", "/v1/identity-quarantine/release", """{"type":"email"}""")).Problem);
        Assert.Equal("400 invalid-key", (await app.CallAsync("POST", "/v1/identity-quarantine/release", """{"type":"nothing","value":"x"}""")).Problem);
    }

    [Fact]
    public async Task Unmerge_PartsThemAndOldIdsAnswerForThemselves()
    {
        var known = (await app.CollectAsync("identify", $$"""{"messageId":"u-{{tag}}","userId":"u-{{tag}}"}""")).GetProperty("profileId").GetString()!;
        var visitor = (await app.CollectAsync("page", $$"""{"messageId":"p-{{tag}}","anonymousId":"a-{{tag}}"}""")).GetProperty("profileId").GetString()!;
        await app.CollectAsync("identify", $$"""{"messageId":"l-{{tag}}","userId":"u-{{tag}}","anonymousId":"a-{{tag}}"}""");
        var merge = await WaitAsync(known, "done");
        Assert.Equal(known, merge.GetProperty("winner").GetString());
        Assert.Equal(known, (await app.CallAsync("GET", "/v1/profiles/" + visitor)).Json.GetProperty("id").GetString());

        var path = $"/v1/profiles/user_id:u-{tag}/unmerge";
        var body = JsonSerializer.Serialize(new { mergeId = merge.GetProperty("id").GetString() });
        Assert.Equal("403 scope-missing", (await app.CallAsync("POST", path, body, await app.KeyAsync("profiles:read"))).Problem);
        Assert.Equal("404 not-found", (await app.CallAsync("POST", path, """{"mergeId":"mrg_01J8ZQ4K3V5N6P7Q8R9S0T1V2W"}""")).Problem);
        Assert.Equal("400 invalid-field", (await app.CallAsync("POST", path, "{}")).Problem);
        Assert.Equal("404 profile-not-found", (await app.CallAsync("POST", $"/v1/profiles/user_id:none-{tag}/unmerge", body)).Problem);
        var accepted = await app.CallAsync("POST", path, body);
        Assert.Equal(HttpStatusCode.Accepted, accepted.Status);
        Assert.Equal("undoing", accepted.Json.GetProperty("state").GetString());
        Assert.Equal([known, visitor], accepted.Json.GetProperty("profiles").EnumerateArray().Select(p => p.GetString()));

        var undone = await WaitAsync(known, "undone");
        Assert.Equal(24, undone.GetProperty("undoneAt").GetString()!.Length);
        await TestApp.WaitUntilAsync(async () => (await app.CallAsync("GET", "/v1/profiles/" + visitor)).Json.GetProperty("id").GetString() == visitor
            && (await app.CallAsync("GET", $"/v1/profiles/anonymous_id:a-{tag}")).Json.GetProperty("counts").GetProperty("events").GetInt64() == 1);
        Assert.Equal(visitor, (await app.CallAsync("GET", $"/v1/profiles/anonymous_id:a-{tag}")).Json.GetProperty("id").GetString());
        Assert.False((await app.CallAsync("GET", "/v1/profiles/" + known)).Json.TryGetProperty("mergedFrom", out _));

        var again = (await app.CollectAsync("identify", $$"""{"messageId":"l2-{{tag}}","userId":"u-{{tag}}","anonymousId":"a-{{tag}}"}""")).GetProperty("profileId").GetString();
        Assert.Equal(known, again);
        Assert.Equal(visitor, (await app.CallAsync("GET", $"/v1/profiles/anonymous_id:a-{tag}")).Json.GetProperty("id").GetString());
    }

    private async Task<JsonElement> WaitAsync(string profile, string state)
    {
        JsonElement merge = default;
        await TestApp.WaitUntilAsync(async () =>
        {
            var merges = (await app.CallAsync("GET", $"/v1/profiles/{profile}/identities")).Json.GetProperty("merges");
            if (merges.GetArrayLength() == 0)
                return false;
            merge = merges[0];
            return merge.GetProperty("state").GetString() == state;
        });
        return merge;
    }
}
