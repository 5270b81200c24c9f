using System.Text;
using System.Text.Json;
using Cdp.Access;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Segments.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Who is in a segment, why, and who would be.</summary>
public sealed class SegmentReads(
    ApiAccess access, DefinitionStore store, SegmentMembers members, SegmentPreview previews, SegmentExplanations explanations, ProfileReader profiles,
    IdentityRulesRegistry identity, Cursors cursors)
{
    private const int DefaultSample = 2000;
    private const int LongestMode = 10;
    private const string Exact = "exact";
    private const string Sample = "sample";

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

    [Function("PreviewSegment")]
    public Task<IResult> Preview([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/segments/preview")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var where = fields.Any("where");
            var mode = fields.Text("mode", LongestMode) ?? Exact;
            var size = fields.Whole("sample", 1, SegmentPreview.MostExact) ?? DefaultSample;
            fields.RefuseOthers();
            if (mode is not (Exact or Sample))
                fields.Refuse("mode", $"neither {Exact} nor {Sample}");
            fields.ThrowIfInvalid();
            var parsed = SegmentDefinition.ParseWhere(where is { } condition ? Encoding.UTF8.GetBytes(condition.GetRawText()) : "null"u8.ToArray());
            if (parsed.Definition is not { } definition)
                throw new ProblemException(new Problem(ProblemType.SegmentInvalid, $"There are {parsed.Errors.Count} mistakes.", parsed.Errors));
            var result = await previews.PreviewAsync(definition, mode == Sample ? size : null, request.HttpContext.RequestAborted);
            var rules = await identity.CurrentAsync(request.HttpContext.RequestAborted);
            return JsonAnswer.Of(json => Write(json, result, rules));
        });

    private async Task<StoredSegment> FindAsync(string id, CancellationToken cancellation) =>
        (await store.LoadAsync(cancellation)).ById.GetValueOrDefault(id) ?? throw new ProblemException(ProblemType.NotFound, "There is no segment of this id.");

    private static void Write(Utf8JsonWriter json, PreviewResult result, IdentityRules rules)
    {
        json.WriteStartObject();
        json.WriteString("mode"u8, result.IsExact ? Exact : Sample);
        json.WriteNumber("size"u8, result.Size);
        if (!result.IsExact)
        {
            json.WriteStartObject("interval"u8);
            json.WriteNumber("low"u8, result.Low);
            json.WriteNumber("high"u8, result.High);
            json.WriteNumber("confidence"u8, 0.95);
            json.WriteEndObject();
        }

        json.WriteNumber("scanned"u8, result.Scanned);
        json.WriteNumber("of"u8, result.Of);
        json.WriteStartArray("examples"u8);
        foreach (var profile in result.Examples)
        {
            json.WriteStartObject();
            json.WriteString("profileId"u8, profile.Id.Value);
            ProfileJson.WriteIdentifiers(json, profile, rules);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("evaluatedAt"u8, result.At.ToString());
        json.WriteEndObject();
    }
}
