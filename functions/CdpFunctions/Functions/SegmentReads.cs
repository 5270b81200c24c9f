using Cdp.Access;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Who is in a segment, and why.</summary>
public sealed class SegmentReads(
    ApiAccess access, DefinitionStore store, SegmentMembers members, SegmentExplanations explanations, ProfileReader profiles, IdentityRulesRegistry identity,
    Cursors cursors)
{
    [Function("ListSegmentMembers")]
    public Task<IResult> Members([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segments/{id}/members")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var limit = ListQuery.Limit(request);
            var segment = await FindAsync(id, cancellation);
            var scope = Cursors.Scope("members", id);
            var after = await cursors.ReadAsync(scope, ListQuery.Cursor(request), parts: 1, cancellation);
            var page = await members.ReadAsync(segment, after is null ? null : new ProfileId(after[0]), limit, cancellation);
            var next = page.After is { } last ? await cursors.WriteAsync(scope, [last.Value], cancellation) : null;
            var rules = await identity.CurrentAsync(cancellation);
            return JsonAnswer.Of(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("data"u8);
                foreach (var (profile, membership) in page.Members)
                {
                    json.WriteStartObject();
                    json.WriteString("profileId"u8, profile.Id.Value);
                    json.WriteString("since"u8, membership.Since.ToString());
                    ProfileJson.WriteIdentifiers(json, profile, rules);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                // While a new version is brought in some are still members by the old one.
                json.WriteNumber("definitionVersion"u8, page.Members.Select(m => m.Membership.DefinitionVersion).DefaultIfEmpty(segment.Head.Version).Min());
                if (next is not null)
                    json.WriteString("next"u8, next);
                json.WriteEndObject();
            });
        });

    [Function("ExplainSegment")]
    public Task<IResult> Explain([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segments/{id}/explain")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            if (ListQuery.Text(request, "profile") is not { } key)
                throw new ProblemException(new Problem(ProblemType.InvalidField, "The query parameter 'profile' is missing.", [new ProblemError("profile", "missing")]));
            var at = ListQuery.Time(request, "at");
            var segment = await FindAsync(id, cancellation);
            var found = await profiles.FindAsync(key, cancellation);
            var explained = await explanations.ExplainAsync(segment, found.Profile, at, cancellation);
            return JsonAnswer.Of(json =>
            {
                json.WriteStartObject();
                json.WriteString("segmentId"u8, segment.Id);
                json.WriteNumber("definitionVersion"u8, segment.Head.Version);
                json.WriteString("profileId"u8, found.Profile.Id.Value);
                json.WriteBoolean("member"u8, explained.Member);
                json.WriteString("evaluatedAt"u8, explained.EvaluatedAt.ToString());
                if (explained.NextChangeAt is { } next)
                    json.WriteString("nextChangeAt"u8, next.ToString());
                json.WritePropertyName("tree"u8);
                json.WriteRawValue(explained.Tree.Span);
                json.WriteEndObject();
            });
        });

    private async Task<StoredSegment> FindAsync(string id, CancellationToken cancellation) =>
        (await store.LoadAsync(cancellation)).ById.GetValueOrDefault(id) ?? throw new ProblemException(ProblemType.NotFound, "There is no segment of this id.");
}
