using System.Collections.Immutable;
using System.Text.Json;
using Cdp.Events;
using Cdp.Identity;
using Cdp.Problems;
using Cdp.Segments;
using Cdp.Segments.Definitions;
using Cdp.Segments.Language;
using Cdp.Storage;

namespace Cdp.Exports;

/// <summary>Starts exports, asked for or by schedule: notes each, then sends its message.</summary>
/// <remarks>
/// Dies it between the two, the export is under way without a message; <see cref="ExportScheduler.ResumeAsync"/> sends it. Who asked and got no answer
/// asks again, and a second export of the same does no harm.
/// </remarks>
public sealed class ExportStarter(ExportStore exports, DefinitionStore definitions, IdentityRulesRegistry identity, IMessageQueue queue)
{
    /// <summary>All there is of each profile, in the form that a warehouse loads best: values as they were sent.</summary>
    public static readonly SegmentExport OfAllProfiles = new(
        null, ExportFormats.JsonLines, ExportFormats.Full, ExportFormats.Gzip,
        ["identifiers", "traits", "computedTraits", "segments", "createdAt", "firstSeenAt", "lastSeenAt"]);

    private static readonly SegmentExport OfNothing = new(null, ExportFormats.Csv, ExportFormats.Full, ExportFormats.Gzip, []);

    private const int LongestWord = 20;

    /// <summary>An export that somebody asks for.</summary>
    /// <param name="body">What it is to be; the rest is as the segment's definition says.</param>
    /// <exception cref="ProblemException">not-found, invalid-field, or rate-limited where too many are under way.</exception>
    public async Task<ExportDocument> StartAsync(string segmentId, JsonElement body, CancellationToken cancellation)
    {
        var set = await definitions.LoadAsync(cancellation);
        var segment = set.ById.GetValueOrDefault(segmentId) ?? throw new ProblemException(ProblemType.NotFound, "There is no segment of this id.");
        return await AskedAsync(segment.Id, segment.Head.Version, Read(body, segment.Definition.Export ?? OfNothing), set, cancellation);
    }

    /// <summary>An export of all profiles that somebody asks for.</summary>
    /// <param name="body">What it is to be; the rest is as in <see cref="OfAllProfiles"/>.</param>
    /// <exception cref="ProblemException">invalid-field, or rate-limited where too many are under way.</exception>
    public async Task<ExportDocument> StartAllAsync(JsonElement body, CancellationToken cancellation)
    {
        var wanted = Read(body, OfAllProfiles);
        return await AskedAsync(ExportRequest.AllProfiles, 0, wanted, await definitions.LoadAsync(cancellation), cancellation);
    }

    /// <summary>An export that is due. Fields that name nothing any more are columns without values.</summary>
    /// <param name="segment">Null: all profiles.</param>
    /// <returns>False where it was started already.</returns>
    public async Task<bool> StartAsync(StoredSegment? segment, Instant due, DefinitionSet set, CancellationToken cancellation)
    {
        var wanted = segment is null ? OfAllProfiles : segment.Definition.Export!;
        var columns = ExportColumn.Of(wanted.Fields, await identity.CurrentAsync(cancellation), id => IsComputedTrait(set, id), out _);
        var request = new ExportRequest(
            segment?.Id ?? ExportRequest.AllProfiles, segment?.Head.Version ?? 0, wanted.Format, wanted.Mode, wanted.Compression, columns);
        if (await exports.StartAsync(request, due, cancellation) is not { } started)
            return false;
        await SendAsync(started.Id, cancellation);
        return true;
    }

    /// <summary>Lets somebody work on an export. Sent twice, the second finds nothing to do, or takes over.</summary>
    public Task SendAsync(string exportId, CancellationToken cancellation) => queue.SendAsync(QueueName.Exports, exportId, delay: null, cancellation);

    /// <summary>What a call asks for; what it does not say is as in <paramref name="otherwise"/>.</summary>
    private static SegmentExport Read(JsonElement body, SegmentExport otherwise)
    {
        var fields = new JsonFields(body);
        string Choice(string name, ImmutableArray<string> choices, string standard)
        {
            var word = fields.Text(name, LongestWord);
            if (word is not null && !choices.Contains(word))
                fields.Refuse(name, $"none of {string.Join(", ", choices)}");
            return word ?? standard;
        }

        var format = Choice("format", Grammar.ExportFormats, otherwise.Format);
        var mode = Choice("mode", Grammar.ExportModes, otherwise.Mode);
        var compression = Choice("compression", Grammar.ExportCompressions, otherwise.Compression);
        var columns = fields.Texts("fields", SegmentExport.MostFields, PropertyPath.Longest);
        fields.RefuseOthers();
        fields.ThrowIfInvalid();
        return new SegmentExport(null, format, mode, compression, columns is null ? otherwise.Fields : [.. columns]);
    }

    private async Task<ExportDocument> AskedAsync(string id, long version, SegmentExport wanted, DefinitionSet set, CancellationToken cancellation)
    {
        var rules = await identity.CurrentAsync(cancellation);
        var columns = ExportColumn.Of(wanted.Fields, rules, trait => IsComputedTrait(set, trait), out var unknown);
        if (!unknown.IsEmpty)
        {
            throw new ProblemException(new Problem(
                ProblemType.InvalidField,
                $"There is no field {string.Join(", ", unknown)}. A field is an identifier type such as email, email[] for all of its values, traits.x, the id of a "
                + "computed trait, or one of profileId, identifiers, traits, computedTraits, segments, createdAt, firstSeenAt, lastSeenAt.",
                [.. unknown.Select(field => new ProblemError($"fields[{wanted.Fields.IndexOf(field)}]", "unknown"))]));
        }

        var request = new ExportRequest(id, version, wanted.Format, wanted.Mode, wanted.Compression, columns);
        var started = await exports.StartAsync(request, scheduledFor: null, cancellation) ?? throw new InvalidOperationException("An export without a schedule is always started.");
        await SendAsync(started.Id, cancellation);
        return started;
    }

    private static bool IsComputedTrait(DefinitionSet set, string id)
    {
        foreach (var trait in set.ComputedDefinitions)
        {
            if (trait.Id == id)
                return true;
        }

        return false;
    }
}
