using System.Text;
using System.Text.Json;
using Cdp.Access;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Profiles;
using Cdp.Reading;
using Cdp.Segments;
using Cdp.Segments.Backfill;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Segments.Reading;
using CdpFunctions.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Functions;

/// <summary>Who would be in a segment, and whom segments have in common.</summary>
public sealed class SegmentPreviews(
    ApiAccess access, DefinitionStore store, SegmentPreview previews, PreviewJobs jobs, SegmentOverlap overlaps, BackfillProgress backfill, ProfileStore profiles,
    IdentityRulesRegistry identity)
{
    private const int DefaultSample = 2000;
    private const int LongestMode = 10;
    private const int LongestId = 100;
    private const string Exact = "exact";
    private const string Sample = "sample";

    /// <summary>200 with the answer; 202 where everybody is to be looked at and there are too many for one request.</summary>
    [Function("PreviewSegment")]
    public Task<IResult> Preview([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/segments/preview")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var where = fields.Any("where");
            var mode = fields.Text("mode", LongestMode) ?? Exact;
            var size = fields.Whole("sample", 1, SegmentPreview.LargestSample) ?? DefaultSample;
            fields.RefuseOthers();
            if (mode is not (Exact or Sample))
                fields.Refuse("mode", $"neither {Exact} nor {Sample}");
            fields.ThrowIfInvalid();
            var definition = Parse(where);
            if (await previews.PreviewAsync(definition, mode == Sample ? size : null, cancellation) is { } result)
            {
                var rules = await identity.CurrentAsync(cancellation);
                return JsonAnswer.Of(json => Write(json, result, rules));
            }

            var job = await jobs.StartAsync(where!.Value.GetRawText(), cancellation);
            return JsonAnswer.Of(
                json => Write(json, job, [], IdentityRules.Default), StatusCodes.Status202Accepted, location: $"/v1/segment-previews/{job.Id}");
        });

    /// <summary>How far a preview of everybody has come, and its result. Not below <c>segments/</c>, where other paths have the id of a segment.</summary>
    [Function("GetSegmentPreview")]
    public Task<IResult> Job([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/segment-previews/{id}")] HttpRequest request, string id) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            if (await jobs.GetAsync(id, cancellation) is not { } job)
                throw new ProblemException(ProblemType.NotFound, "There is no preview of this id, or it is older than a day. POST /v1/segments/preview begins another one.");
            var examples = new List<Profile>();
            foreach (var example in job.Examples)
            {
                // Merged or erased since: shown to nobody.
                if ((await profiles.FindAsync(new ProfileId(example), fresh: true, cancellation))?.Decode() is { MergedInto: null, IsEmpty: false } profile)
                    examples.Add(profile);
            }

            var rules = await identity.CurrentAsync(cancellation);
            return JsonAnswer.Of(json => Write(json, job, examples, rules));
        });

    [Function("OverlapSegments")]
    public Task<IResult> Overlap([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/segments/overlap")] HttpRequest request) =>
        access.To(request, Scope.ProfilesRead, async () =>
        {
            var cancellation = request.HttpContext.RequestAborted;
            var fields = new JsonFields(await JsonBody.ReadObjectAsync(request));
            var ids = fields.Texts("segments", SegmentOverlap.Most, LongestId, required: true) ?? [];
            var where = fields.Any("where");
            fields.RefuseOthers();
            fields.ThrowIfInvalid();
            var count = ids.Count + (where is null ? 0 : 1);
            if (ids.Count == 0 || count < SegmentOverlap.Fewest || count > SegmentOverlap.Most)
                fields.Refuse("segments", $"not from {SegmentOverlap.Fewest} to {SegmentOverlap.Most} together with 'where', one of them saved");
            var set = await store.LoadAsync(cancellation);
            var segments = new List<StoredSegment>();
            for (var i = 0; i < ids.Count; i++)
            {
                if (set.ById.GetValueOrDefault(ids[i]) is not { } segment)
                    fields.Refuse($"segments[{i}]", "no segment of this id");
                else if (segments.Exists(s => s.Id == ids[i]))
                    fields.Refuse($"segments[{i}]", "there already");
                else
                    segments.Add(segment);
            }

            fields.ThrowIfInvalid();
            var result = await overlaps.CountAsync(segments, where is null ? null : Parse(where), cancellation);
            var states = new List<bool>();
            foreach (var segment in segments)
                states.Add((await backfill.OfAsync(segment, set, cancellation)).IsLive);
            return JsonAnswer.Of(json => Write(json, result, states));
        });

    private static Condition Parse(JsonElement? where)
    {
        var parsed = SegmentDefinition.ParseWhere(where is { } condition ? Encoding.UTF8.GetBytes(condition.GetRawText()) : "null"u8.ToArray());
        return parsed.Definition ?? throw new ProblemException(new Problem(ProblemType.SegmentInvalid, $"There are {parsed.Errors.Count} mistakes.", parsed.Errors));
    }

    private static void Write(Utf8JsonWriter json, PreviewJob job, IReadOnlyList<Profile> examples, IdentityRules rules)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, job.Id);
        json.WriteString("state"u8, job.State switch
        {
            PreviewState.Queued => "queued"u8,
            PreviewState.Running => "running"u8,
            PreviewState.Done => "done"u8,
            _ => "failed"u8,
        });
        json.WriteString("requestedAt"u8, new Instant(job.RequestedAt).ToString());
        if (job.State == PreviewState.Done)
        {
            json.WriteString("mode"u8, Exact);
            json.WriteNumber("size"u8, job.Members);
            json.WriteNumber("scanned"u8, job.Scanned);
            json.WriteNumber("of"u8, job.Scanned);
            WriteExamples(json, examples, rules);
            json.WriteString("evaluatedAt"u8, new Instant(job.EvaluatedAt).ToString());
        }
        else if (job.State == PreviewState.Failed)
        {
            json.WriteString("reason"u8, job.Reason);
        }
        else
        {
            json.WriteStartObject("progress"u8);
            json.WriteNumber("done"u8, job.Scanned);
            if (job.Of is { } of)
                json.WriteNumber("total"u8, of);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, OverlapResult result, IReadOnlyList<bool> isLive)
    {
        var all = (1 << result.Segments.Count) - 1;
        json.WriteStartObject();
        json.WriteString("mode"u8, result.IsExact ? Exact : Sample);
        json.WriteStartArray("segments"u8);
        for (var i = 0; i < result.Segments.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, result.Segments[i]);
            if (i < isLive.Count)
                json.WriteString("state"u8, isLive[i] ? "live"u8 : "backfilling"u8);
            json.WriteNumber("size"u8, result.InAll(1 << i));
            json.WriteNumber("only"u8, result.Only(i));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteCommon(json, result, all);
        json.WriteStartArray("pairs"u8);
        for (var i = 0; i < result.Segments.Count; i++)
        {
            for (var j = i + 1; j < result.Segments.Count; j++)
            {
                json.WriteStartObject();
                json.WriteStartArray("segments"u8);
                json.WriteStringValue(result.Segments[i]);
                json.WriteStringValue(result.Segments[j]);
                json.WriteEndArray();
                WriteCommon(json, result, (1 << i) | (1 << j));
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        if (result is { Scanned: { } scanned, Of: { } of })
        {
            json.WriteNumber("scanned"u8, scanned);
            json.WriteNumber("of"u8, of);
        }

        json.WriteString("evaluatedAt"u8, result.At.ToString());
        json.WriteEndObject();
    }

    private static void WriteCommon(Utf8JsonWriter json, OverlapResult result, int set)
    {
        var (intersection, union) = (result.InAll(set), result.InAny(set));
        json.WriteNumber("intersection"u8, intersection);
        json.WriteNumber("union"u8, union);
        // Of nobody there is no share.
        if (union > 0)
            json.WriteNumber("jaccard"u8, Math.Round((decimal)intersection / union, 6));
    }

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
        WriteExamples(json, result.Examples, rules);
        json.WriteString("evaluatedAt"u8, result.At.ToString());
        json.WriteEndObject();
    }

    private static void WriteExamples(Utf8JsonWriter json, IReadOnlyList<Profile> examples, IdentityRules rules)
    {
        json.WriteStartArray("examples"u8);
        foreach (var profile in examples)
        {
            json.WriteStartObject();
            json.WriteString("profileId"u8, profile.Id.Value);
            ProfileJson.WriteIdentifiers(json, profile, rules);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
