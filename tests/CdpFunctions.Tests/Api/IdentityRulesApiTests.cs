using System.Net;
using Xunit;

namespace CdpFunctions.Tests.Api;

/// <summary>The rules are one object for the whole app: one test tells their story from the start.</summary>
public sealed class IdentityRulesApiTests(ApiApp app) : IClassFixture<ApiApp>
{
    private const string Path = "/v1/identity-rules";

    private const string UserAndDevice = """{"type":"user_id"},{"type":"anonymous_id"}""";

    [Fact]
    public async Task Rules_AreTheDefaults_UntilTheyArePut_WithConditions_AndHoldAtOnce()
    {
        var defaults = await app.CallAsync("GET", Path);
        Assert.Equal((HttpStatusCode.OK, (string?)null), (defaults.Status, defaults.Header("ETag")));
        Assert.Equal("0 own user_id,email,phone,anonymous_id", Summary(defaults));
        Assert.Equal("400 invalid-key", (await app.CallAsync("GET", "/v1/profiles/crm_id:c1")).Problem);
        Assert.Equal("404 profile-not-found", (await app.CallAsync("GET", "/v1/profiles/phone:015112345")).Problem);

        const string Body = $$"""{"sharedIdentifiers":"first","types":[{{UserAndDevice}},{"type":"crm_id","normalise":"digits","paths":["traits.crmId"],"externalIdTypes":["crm"],"mergeSources":"server"}]}""";
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", Path, Body, headers: ("If-Match", "*"))).Problem);
        var created = await app.CallAsync("PUT", Path, Body, headers: ("If-None-Match", "*"));
        Assert.Equal((HttpStatusCode.Created, "1 first user_id,anonymous_id,crm_id"), (created.Status, Summary(created)));
        Assert.Equal(
            """{"type":"crm_id","priority":3,"unique":false,"limit":{"count":5,"per":"ever"},"normalise":"digits","paths":["traits.crmId"],"externalIdTypes":["crm"],"blocked":{"values":[],"patterns":[],"defaults":true},"mergeSources":"server","quarantineAfter":20}""",
            created.Json.GetProperty("types")[2].GetRawText());
        var read = await app.CallAsync("GET", Path);
        Assert.Equal((created.Text, created.Header("ETag")), (read.Text, read.Header("ETag")));
        Assert.Matches("^\"[0-9a-f]{32}\"$", read.Header("ETag"));

        // A type that is there now, a value that is none of it, and a type that is gone.
        Assert.Equal("404 profile-not-found", (await app.CallAsync("GET", "/v1/profiles/crm_id:1-2")).Problem);
        Assert.Equal("404 profile-not-found", (await app.CallAsync("POST", "/v1/profiles/lookup", """{"type":"crm_id","value":"c"}""")).Problem);
        Assert.Equal("400 invalid-key", (await app.CallAsync("GET", "/v1/profiles/phone:015112345")).Problem);

        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", Path, Body, headers: ("If-None-Match", "*"))).Problem);
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", Path, Body, headers: ("If-Match", "\"0\""))).Problem);
        var replaced = await app.CallAsync("PUT", Path, read.Text.Replace("first", "latest", StringComparison.Ordinal), headers: ("If-Match", read.Header("ETag")!));
        Assert.Equal((HttpStatusCode.OK, "2 latest user_id,anonymous_id,crm_id"), (replaced.Status, Summary(replaced)));
        Assert.Equal("412 precondition-failed", (await app.CallAsync("PUT", Path, Body, headers: ("If-Match", read.Header("ETag")!))).Problem);

        var refused = await app.CallAsync("PUT", Path, """{"types":[{"type":"user_id","paths":[]},{"type":"Crm","limit":{"count":0}}],"more":1}""");
        Assert.Equal(("400 invalid-field", "types[0].paths types[1].type types[1].limit.count types more"), (refused.Problem, refused.Errors));
        Assert.Equal("400 not-an-object", (await app.CallAsync("PUT", Path, "[]")).Problem);
        Assert.Equal("400 not-json", (await app.CallAsync("PUT", Path, "{")).Problem);
        Assert.Equal(replaced.Text, (await app.CallAsync("GET", Path)).Text);
    }

    private static string Summary(Answered answered)
    {
        var rules = answered.Json;
        var types = rules.GetProperty("types").EnumerateArray().Select(type => type.GetProperty("type").GetString());
        return $"{rules.GetProperty("version")} {rules.GetProperty("sharedIdentifiers")} {string.Join(',', types)}";
    }
}
