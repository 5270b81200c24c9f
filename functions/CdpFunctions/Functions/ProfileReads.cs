using Cdp.Access;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Reading;
using Cdp.Segments.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Profiles, read back. <c>{key}</c> is one of <see cref="ProfileKey"/>.</summary>
public sealed class ProfileReads(ApiAccess access, ProfileReader profiles, TimelineReader timelines, ProfileSegmentsReader segments, IdentityRulesRegistry identity)
{
    /// <summary>Tells who asked for a merged id that it leads elsewhere now.</summary>
    private const string MergedFrom = "Cdp-Merged-From";

    // Longer than any identifier's value.
    private const int LongestValue = 4096;

    [Function("GetProfile")]
    public Task<IResult> Get([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}")] HttpRequest request, string key) =>
        access.To(request, Scope.ProfilesRead, () => AnswerAsync(request, () => profiles.FindAsync(key, request.HttpContext.RequestAborted)));

    [Function("GetProfileTraits")]
    public Task<IResult> Traits([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}/traits")] HttpRequest request, string key) =>
        Read(request, key, (json, found, _) => ProfileJson.WriteTraits(json, found));

    [Function("GetProfileIdentities")]
    public Task<IResult> Identities([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}/identities")] HttpRequest request, string key) =>
        Read(request, key, ProfileJson.WriteIdentities);

    [Function("GetProfileEvents")]
    public Task<IResult> Events([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/profiles/{key}/events")] HttpRequest request, string key) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var query = new TimelineQuery(
                ListQuery.Texts(request, "name"), ListQuery.EventTypes(request, "type"), ListQuery.Time(request, "from"), ListQuery.Time(request, "to"),
                ListQuery.Limit(request), ListQuery.Cursor(request));
            var aborted = request.HttpContext.RequestAborted;
            var (found, page) = await profiles.ReadAsync(key, profile => timelines.ReadAsync(profile, query, aborted), aborted);
            TellMergedFrom(request, found);
            return JsonAnswer.Of(json => ProfileJson.WriteTimeline(json, page));
        });

    /// <summary>Keeps personal data out of URLs, which hosts log.</summary>
    [Function("LookUpProfile")]
    public Task<IResult> LookUp([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/profiles/lookup")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var type = fields.Text("type", LongestValue, required: true);
            var value = fields.Text("value", LongestValue, required: true);
            fields.RefuseOthers();
            fields.ThrowIfInvalid();
            return await AnswerAsync(request, () => profiles.FindAsync(type!, value!, request.HttpContext.RequestAborted));
        });

    private async Task<IResult> AnswerAsync(HttpRequest request, Func<Task<FoundProfile>> find)
    {
        var found = await FindAsync(request, find);
        var rules = await identity.CurrentAsync(request.HttpContext.RequestAborted);
        var view = await segments.ReadAsync(found.Profile, request.HttpContext.RequestAborted);
        return JsonAnswer.Of(json => ProfileJson.WriteProfile(json, found, rules, view));
    }

    private Task<IResult> Read(HttpRequest request, string key, Action<System.Text.Json.Utf8JsonWriter, FoundProfile, IdentityRules> write) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var found = await FindAsync(request, () => profiles.FindAsync(key, request.HttpContext.RequestAborted));
            var rules = await identity.CurrentAsync(request.HttpContext.RequestAborted);
            return JsonAnswer.Of(json => write(json, found, rules));
        });

    private static async Task<FoundProfile> FindAsync(HttpRequest request, Func<Task<FoundProfile>> find)
    {
        var found = await find();
        TellMergedFrom(request, found);
        return found;
    }

    internal static void TellMergedFrom(HttpRequest request, FoundProfile found)
    {
        if (found.MergedFrom is { } merged)
            request.HttpContext.Response.Headers[MergedFrom] = merged.Value;
    }
}
