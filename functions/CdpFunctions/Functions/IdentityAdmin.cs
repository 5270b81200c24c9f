using System.Text.Json;
using Cdp.Access;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>People's decisions about who is who: merges taken back, identifiers in quarantine.</summary>
public sealed class IdentityAdmin(
    ApiAccess access, ProfileReader profiles, Unmerges unmerges, QuarantineList quarantine, IdentifierSuspender suspender, IdentityRulesRegistry rules, Cursors cursors)
{
    private const int LongestText = 4096;

    private static readonly string ListScope = Cursors.Scope("identity-quarantine");

    /// <summary>202: the unmerge is queued; <c>/identities</c> of both profiles shows when it is done.</summary>
    [Function("UnmergeProfile")]
    public Task<IResult> Unmerge([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/profiles/{key}/unmerge")] HttpRequest request, string key) =>
        access.To(request, Scope.Admin, async () =>
        {
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var mergeId = fields.Text("mergeId", LongestText, required: true);
            fields.RefuseOthers();
            fields.ThrowIfInvalid();
            var found = await profiles.FindAsync(key, request.HttpContext.RequestAborted);
            var (merge, done) = await unmerges.RequestAsync(found.Profile, mergeId!, request.HttpContext.RequestAborted);
            return JsonAnswer.Of(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("mergeId"u8, merge.Id);
                    json.WriteString("state"u8, done ? "undone"u8 : "undoing"u8);
                    json.WriteStartArray("profiles"u8);
                    json.WriteStringValue(merge.Loser == found.Profile.Id ? merge.Winner.Value : found.Profile.Id.Value);
                    json.WriteStringValue(merge.Loser.Value);
                    json.WriteEndArray();
                    json.WriteEndObject();
                },
                StatusCodes.Status202Accepted);
        });

    [Function("ListQuarantine")]
    public Task<IResult> List([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/identity-quarantine")] HttpRequest request) =>
        access.To(request, Scope.Admin, () => ListQuery.PageAsync(
            request, cursors, ListScope, parts: 1, after => quarantine.AllAsync(after?[0], request.HttpContext.RequestAborted), item => [item.Key], Write));

    /// <summary>The identifier links again.</summary>
    [Function("ReleaseIdentifier")]
    public Task<IResult> Release([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/identity-quarantine/release")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var identifier = await IdentifierAsync(request);
            if (!await suspender.ReleaseAsync(identifier, request.HttpContext.RequestAborted))
                throw new ProblemException(ProblemType.NotFound, "The identifier is not in quarantine. GET /v1/identity-quarantine lists those that are.");
            return Results.NoContent();
        });

    /// <summary>Takes back every merge that the identifier caused.</summary>
    [Function("UnmergeQuarantined")]
    public Task<IResult> UnmergeAll([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/identity-quarantine/unmerge")] HttpRequest request) =>
        access.To(request, Scope.Admin, async () =>
        {
            var merges = await unmerges.RequestAllAsync(await IdentifierAsync(request), request.HttpContext.RequestAborted);
            return JsonAnswer.Of(json => Write(json, merges), StatusCodes.Status202Accepted);
        });

    private async Task<Identifier> IdentifierAsync(HttpRequest request)
    {
        var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
        var type = fields.Text("type", LongestText, required: true);
        var value = fields.Text("value", LongestText, required: true);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return ProfileKey.Of(type!, value!, await rules.CurrentAsync(request.HttpContext.RequestAborted)).Identifier!.Value;
    }

    private static void Write(Utf8JsonWriter json, (string Key, QuarantinedIdentifier Quarantined) item)
    {
        var (identifier, at, messageId, rule, profile) = item.Quarantined;
        json.WriteStartObject();
        json.WriteString("type"u8, identifier.Type);
        json.WriteString("value"u8, identifier.Value);
        json.WriteString("at"u8, at.ToString());
        json.WriteString("messageId"u8, messageId);
        json.WriteString("rule"u8, rule);
        json.WriteString("profileId"u8, profile.Value);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<MergeRecord> merges)
    {
        json.WriteStartObject();
        json.WriteString("state"u8, "undoing"u8);
        json.WriteStartArray("mergeIds"u8);
        foreach (var merge in merges)
            json.WriteStringValue(merge.Id);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
