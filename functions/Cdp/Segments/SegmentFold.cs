using Cdp.Deliveries;
using Cdp.Events;
using Cdp.Profiles;
using Cdp.Segments.Definitions;
using Cdp.Stats;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>
/// The segments of one document while one commit changes it: events are folded into the state, and what that changes about memberships into the document and its
/// index rows.
/// </summary>
/// <remarks>
/// <para>
/// Commits find nothing new to be absent (<see cref="Backlogged"/>): they do not know whether what would end an absence still waits in the queue. That is left to
/// the timer, which asks. So the row <c>d|</c> of an absence stays until the timer has seen it.
/// </para>
/// <para>
/// A transaction has room for so many membership rows only. What does not fit is left to a refold, which is due at once. A state that does not fit into the
/// document is not kept: the profile is folded from its timeline every ten minutes instead.
/// </para>
/// <para>
/// Each entry and exit is counted in the document and is one <see cref="Changes">change</see>, named by that count: it leaves with the commit that counts it, or not at
/// all. What a new or changed definition brings to a profile that was there before is silent, unless the definition has <c>backfill.notify</c>. Where a refold is the
/// first to see a definition it is that definition's backfill, whoever asked for the refold (<see cref="Profile.FoldedEpoch"/>).
/// </para>
/// </remarks>
public sealed class SegmentFold
{
    /// <summary>Rows of memberships in one transaction, beside those of <see cref="Processing.ProfileCommitter"/>.</summary>
    public const int MostRows = 36;

    /// <summary>What fits into a row beside a document that is full of traits.</summary>
    public const int MostStateBytes = StorageLimits.RowBytes - ProfileCodec.MostBytes - (32 * 1024);

    /// <summary>How often a profile is folded from its timeline whose state is larger than that.</summary>
    public static readonly TimeSpan RefoldEvery = TimeSpan.FromMinutes(10);

    /// <summary>As if something waited in the queue since ever.</summary>
    private static readonly Instant Backlogged = new(0);

    private static readonly SegmentChange[] Nothing = [];

    private readonly DefinitionSet set;
    private readonly Profile document;
    private readonly ProfileSegments state;
    private readonly ITimeline timeline;
    private readonly DocumentTraits traits;
    private readonly Instant now;
    private readonly string[] before;
    private readonly List<Change> leaving = [];

    // Null for a fold that goes on from a state: it knows nothing of definitions that are newer than that.
    private readonly long? foldedBefore;
    private int changed;
    private int entered;
    private int exited;
    private Instant? due;
    private bool isFull;

    private SegmentFold(DefinitionSet set, Profile document, ProfileSegments state, ITimeline timeline, Instant now, long? foldedBefore = null)
    {
        this.foldedBefore = foldedBefore;
        this.set = set;
        this.document = document;
        this.state = state;
        this.timeline = timeline;
        this.now = now;
        traits = new DocumentTraits(document);
        before = document.Memberships.Count == 0 ? [] : [.. document.Memberships.ConvertAll(static m => m.SegmentId)];
    }

    /// <summary>The same of a document that is not opened, because it is to be folded anew.</summary>
    public static bool NeedsNewer(DefinitionSet set, Profile document) =>
        !document.SegmentState.IsEmpty && ProfileSegments.Open(set.Compiled, document.SegmentState).NeedsNewerDefinitions;

    /// <summary>
    /// Null where the profile's segments are not kept up with its events: before its backfill, and while a merge or an unmerge is under way. Events then stand on
    /// the timeline alone, from which all is folded later.
    /// </summary>
    public static SegmentFold? Open(DefinitionSet set, Profile document, ITimeline timeline, Instant now)
    {
        if (document.NeedsRefold)
            return null;
        if (!document.SegmentState.IsEmpty)
            return new SegmentFold(set, document, ProfileSegments.Open(set.Compiled, document.SegmentState), timeline, now);
        if (!document.IsEmpty || document.Absorbing.Count > 0 || document.IsSplitting)
            return null;
        document.FoldedEpoch = set.Epoch;
        return new SegmentFold(set, document, ProfileSegments.New(set.Compiled), timeline, now);
    }

    /// <summary>Everything anew from the timeline, which has to be whole.</summary>
    /// <param name="whole">Read once from its end to its beginning.</param>
    /// <param name="timeline">The same, for what has to be looked up.</param>
    public static async Task<SegmentFold> RefoldAsync(
        DefinitionSet set, Profile document, ITimeline whole, ITimeline timeline, Instant now, CancellationToken cancellation)
    {
        var earlier = document.SegmentState.IsEmpty ? null : ProfileSegments.Open(set.Compiled, document.SegmentState);
        var refolded = await ProfileSegments.RefoldAsync(set.Compiled, whole, earlier, cancellation);
        document.NeedsRefold = false;
        return new SegmentFold(set, document, refolded, timeline, now, document.FoldedEpoch);
    }

    /// <summary>What the commit changes about memberships, for whom it concerns; silent ones are left out.</summary>
    public IReadOnlyList<Change> Changes => leaving;

    /// <summary>The document was written under definitions that this process does not have yet: nothing may be folded with these.</summary>
    public bool NeedsNewerDefinitions => state.NeedsNewerDefinitions;

    /// <summary>Whether all definitions have seen all events, and the profile is in no segment that is gone.</summary>
    public static bool IsUpToDate(DefinitionSet set, Profile document) =>
        ProfileSegments.Open(set.Compiled, document.SegmentState).IsComplete && !document.Memberships.Exists(m => IsGone(set, m));

    /// <summary>The membership is of a segment that is no more, or of another one that had its id before.</summary>
    public static bool IsGone(DefinitionSet set, Membership membership) =>
        !set.ById.TryGetValue(membership.SegmentId, out var segment) || membership.DefinitionEpoch < segment.Head.FirstEpoch;

    /// <summary>Folds an event in that the document has folded in already, and returns what changes by it.</summary>
    public async ValueTask<IReadOnlyList<SegmentChange>> ApplyAsync(Event e, CancellationToken cancellation)
    {
        state.Apply(e);
        return Take(await state.EvaluateAsync(now, traits, timeline, Backlogged, everything: false, cancellation), e);
    }

    /// <summary>What has changed by time; with <paramref name="everything"/> also what is new, and what is gone.</summary>
    public async ValueTask EvaluateAsync(Instant? oldestQueued, bool everything, CancellationToken cancellation)
    {
        if (everything)
        {
            foreach (var gone in document.Memberships.FindAll(m => IsGone(set, m)))
            {
                if (HasRoom())
                    document.Memberships.Remove(gone);
            }
        }

        Take(await state.EvaluateAsync(now, traits, timeline, oldestQueued, everything, cancellation), cause: null);
    }

    /// <summary>The state into the document; index rows and the due row into the transaction.</summary>
    /// <param name="exactly">Due exactly when something can change; otherwise then at the latest.</param>
    public void Finish(List<RowWrite> writes, bool exactly)
    {
        var encoded = state.Encode();
        var fits = encoded.Length <= MostStateBytes;
        document.SegmentState = fits ? encoded : default;
        document.NeedsRefold = isFull || !fits;
        // What did not fit is of the same definitions, and no less silent.
        if (foldedBefore is not null && !isFull)
            document.FoldedEpoch = set.Epoch;
        foreach (var membership in document.Memberships)
        {
            if (Array.IndexOf(before, membership.SegmentId) < 0)
                writes.Add(RowWrite.Upsert(ProfileRows.Member(membership.SegmentId, document.Id), default));
        }

        foreach (var segment in before)
        {
            if (!document.Memberships.Exists(m => m.SegmentId == segment))
                writes.Add(RowWrite.Delete(ProfileRows.Member(segment, document.Id)));
        }

        if (isFull)
            due = now;
        else if (!fits && (due is not { } earlier || earlier > now.Plus(RefoldEvery)))
            due = now.Plus(RefoldEvery);
        if (exactly)
            DueRows.Set(document, due, writes);
        else if (due is { } next)
            DueRows.Bring(document, next, writes);
    }

    /// <summary>The transaction has taken effect.</summary>
    public void Committed() => Telemetry.SegmentsChanged(entered, exited);

    private IReadOnlyList<SegmentChange> Take(SegmentEvaluation evaluation, Event? cause)
    {
        due = evaluation.MembershipDue;
        List<SegmentChange>? changes = null;
        foreach (var result in evaluation.Segments)
        {
            if (result.Member is not { } member)
                continue;
            var head = set.ById[result.SegmentId].Head;
            var index = document.Memberships.FindIndex(m => m.SegmentId == result.SegmentId);
            var present = index < 0 ? null : document.Memberships[index];
            var isMember = present is not null && present.DefinitionEpoch >= head.FirstEpoch;
            if (member && isMember && !present!.FromMerge)
            {
                if (present.DefinitionVersion != head.Version)
                    document.Memberships[index] = present with { DefinitionVersion = head.Version, DefinitionEpoch = head.Epoch };
                continue;
            }

            if ((!member && present is null) || !HasRoom())
                continue;
            if (present is not null)
                document.Memberships.RemoveAt(index);
            if (member && isMember)
                document.Memberships.Add(present! with { DefinitionVersion = head.Version, DefinitionEpoch = head.Epoch, FromMerge = false });
            else if (member)
                document.Memberships.Add(new Membership(result.SegmentId, evaluation.At, head.Version, head.Epoch));
            // It was in another segment that had the id before: that one is gone, without an exit.
            if (!member && !isMember)
                continue;
            document.MembershipChanges++;
            if (member)
                entered++;
            else
                exited++;
            (changes ??= []).Add(new SegmentChange(result.SegmentId, member));
            if (foldedBefore is not { } folded || result.Epoch <= folded || set.ById[result.SegmentId].Definition.NotifyBackfill)
                leaving.Add(ChangeOf(result.SegmentId, member, head.Version, evaluation.At, cause));
        }

        return changes ?? (IReadOnlyList<SegmentChange>)Nothing;
    }

    /// <summary>Of the version that the document gets by this commit.</summary>
    private Change ChangeOf(string segment, bool entered, long definitionVersion, Instant at, Event? cause) =>
        new(
            $"{segment}:{document.Id}:{document.MembershipChanges}", entered ? ChangeKind.SegmentEntered : ChangeKind.SegmentExited, document.Id, document.Version + 1, at)
        {
            SegmentId = segment,
            DefinitionVersion = definitionVersion,
            MessageId = cause?.MessageId,
            SourceId = cause?.SourceId,
            Timestamp = cause?.Timestamp,
            Historical = cause is { Historical: true },
        };

    private bool HasRoom()
    {
        if (changed < MostRows)
        {
            changed++;
            return true;
        }

        isFull = true;
        return false;
    }
}
