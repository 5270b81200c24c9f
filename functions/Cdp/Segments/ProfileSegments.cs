using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Segments.Evaluation;
using Cdp.Segments.Features;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments;

/// <summary>
/// What is known about one profile's events for the definitions: a section of its document. Events are folded in, in any order and each once; then it says which
/// segments the profile is in, at any instant from the latest event on.
/// </summary>
/// <remarks>
/// <para>
/// Mutable while one commit works on it; never shared. Features are decoded when they are needed and written back as they were when they are not, so that an event costs
/// what it concerns.
/// </para>
/// <para>
/// Time does not run backwards: an evaluation at an instant before the latest event is one at that event. An event is never later than its receipt, so this
/// only makes good for machines whose clocks differ.
/// </para>
/// </remarks>
public sealed class ProfileSegments
{
    private const byte Format = 1;

    private readonly CompiledDefinitions definitions;
    private readonly List<Entry> entries = [];
    private readonly List<Event> session = [];
    private readonly FoundValues found = new();
    private readonly List<PlanEntry> concerned = [];
    private readonly HashSet<int> touched = [];
    private long seenEpoch;
    private long watermark = long.MinValue;

    // Nothing was evaluated yet: everything is due.
    private long due = long.MinValue;
    private long membershipDue = long.MinValue;

    private ProfileSegments(CompiledDefinitions definitions) => this.definitions = definitions;

    /// <summary>
    /// All definitions up to this epoch have seen all events of the profile. Later ones await the backfill, and are not touched before it.
    /// </summary>
    public long CompleteEpoch { get; private set; }

    /// <summary>The profile was written under definitions that this process does not have yet: it has to load them before it writes.</summary>
    public bool NeedsNewerDefinitions => seenEpoch > definitions.Epoch;

    /// <summary>Every definition has seen all events.</summary>
    public bool IsComplete => CompleteEpoch >= definitions.NewestDefinition;

    /// <summary>The state of a profile without events: all definitions are complete from here on.</summary>
    public static ProfileSegments New(CompiledDefinitions definitions) =>
        new(definitions) { CompleteEpoch = definitions.Epoch, seenEpoch = definitions.Epoch };

    /// <param name="section">As <see cref="Encode"/> wrote it; empty for a profile with events that no definition has seen.</param>
    /// <exception cref="InvalidDataException">The section is damaged, or a newer version of the app wrote it.</exception>
    public static ProfileSegments Open(CompiledDefinitions definitions, ReadOnlyMemory<byte> section)
    {
        var opened = new ProfileSegments(definitions) { CompleteEpoch = -1, seenEpoch = -1 };
        if (section.IsEmpty)
            return opened;
        var reader = new StateReader(section.Span);
        if (reader.Byte() is var format and not Format)
            throw new InvalidDataException($"The segment state has format {format}, which a newer version of the app wrote: update this one.");
        opened.seenEpoch = reader.Long();
        opened.CompleteEpoch = reader.Long();
        opened.watermark = reader.Time() ?? long.MinValue;
        opened.due = ReadDue(ref reader);
        opened.membershipDue = ReadDue(ref reader);
        var count = reader.Count();
        opened.entries.EnsureCapacity(count);
        for (var n = count; n > 0; n--)
        {
            var id = reader.Id();
            var size = reader.Unsigned();
            var start = reader.Position;
            reader.Bytes(size);
            opened.entries.Add(new Entry { Id = id, Stored = section.Slice(start, (int)size) });
            if (opened.entries is [.., { Id: var before }, _] && before >= id)
                throw StateReader.Truncated();
        }

        return reader.More ? throw StateReader.Truncated() : opened;
    }

    /// <summary>Folds an event in. The caller sees to it that every event comes once.</summary>
    /// <exception cref="InvalidOperationException"><see cref="NeedsNewerDefinitions"/></exception>
    public void Apply(Event e)
    {
        session.Add(e);
        Fold(e);
    }

    /// <summary>The same for events that are on the timeline already.</summary>
    internal void Fold(Event e)
    {
        RefuseIfOutdated();
        watermark = Math.Max(watermark, e.Timestamp.Milliseconds);
        if (definitions.PlanFor(e) is { } plan)
            Apply(e, plan);
        if (definitions.HasTraitConditions && e.Type is EventType.Identify or EventType.Group)
        {
            TouchTraits(e.Traits, e.Type == EventType.Group);
            if (e.Type == EventType.Identify)
                TouchContextTraits(e.Context);
        }
    }

    /// <summary>Folds in the state of a profile that was merged into this one. Their events must be different ones.</summary>
    /// <returns>
    /// False where something cannot be told from two states: it is read from the timeline when it is asked for, until a refold (<see cref="RefoldAsync"/>).
    /// </returns>
    public bool Merge(ProfileSegments other)
    {
        RefuseIfOutdated();
        if (other.definitions != definitions || other.NeedsNewerDefinitions)
            throw new InvalidOperationException("The two states were opened with different definitions.");
        // What only one of them is complete for awaits the backfill.
        CompleteEpoch = Math.Min(CompleteEpoch, other.CompleteEpoch);
        seenEpoch = Math.Max(seenEpoch, other.seenEpoch);
        watermark = Math.Max(watermark, other.watermark);
        due = membershipDue = long.MinValue;
        session.AddRange(other.session);
        var exact = true;
        foreach (var entry in other.entries)
        {
            if (definitions.FindFeature(entry.Id) is not { } feature || feature.Epoch > CompleteEpoch || other.Find(feature) is not { } theirs)
                continue;
            exact &= Modify(feature).State!.Merge(theirs);
        }

        return exact;
    }

    /// <summary>What holds at an instant, as far as the state tells.</summary>
    /// <param name="oldestQueued">
    /// When the oldest event that waits in the queue was put there; null where none waits. While it has waited longer than the grace no absence matures: what would end it may
    /// be waiting too.
    /// </param>
    /// <param name="everything">All definitions; otherwise those that can have changed since the evaluation before.</param>
    public SegmentEvaluation Evaluate(Instant now, IProfileTraits traits, Instant? oldestQueued = null, bool everything = false)
    {
        var context = Context(now, traits, oldestQueued);
        return Evaluate(context, everything);
    }

    /// <summary>What holds at an instant, where need be from the timeline.</summary>
    /// <param name="timeline">The stored events; those that were folded in since the state was opened may be missing from it.</param>
    public async ValueTask<SegmentEvaluation> EvaluateAsync(
        Instant now, IProfileTraits traits, ITimeline timeline, Instant? oldestQueued = null, bool everything = false, CancellationToken cancellation = default)
    {
        var context = Context(now, traits, oldestQueued);
        var evaluation = Evaluate(context, everything);
        while (evaluation.NeedsTimeline)
        {
            await AnswerAsync(context, timeline, cancellation);
            evaluation = Evaluate(context, everything);
        }

        return evaluation;
    }

    /// <summary>The state made anew from the timeline, complete for all definitions.</summary>
    /// <param name="earlier">The state it replaces, which knows what was found absent already.</param>
    public static async Task<ProfileSegments> RefoldAsync(
        CompiledDefinitions definitions, ITimeline timeline, ProfileSegments? earlier = null, CancellationToken cancellation = default)
    {
        var folded = New(definitions);
        await foreach (var e in timeline.ReadAsync(null, cancellation))
            folded.Fold(e);

        folded.touched.Clear();
        foreach (var entry in earlier?.entries ?? [])
        {
            if (definitions.FindFeature(entry.Id) is AbsenceFeature feature && folded.Find(feature) is AbsenceState state)
                state.KeepMatured((AbsenceState)earlier!.Find(feature)!);
        }

        return folded;
    }

    /// <summary>The section of the document. The same events give the same bytes, whatever order they came in, where nothing had to be left out.</summary>
    public byte[] Encode()
    {
        var writer = new StateWriter();
        var inner = new StateWriter();
        writer.Byte(Format);
        writer.Long(Math.Max(seenEpoch, definitions.Epoch));
        writer.Long(CompleteEpoch);
        writer.Time(watermark == long.MinValue ? null : watermark);
        WriteDue(writer, due);
        WriteDue(writer, membershipDue);
        var kept = 0;
        foreach (var entry in entries)
        {
            if (IsKept(entry))
                kept++;
        }

        writer.Count(kept);
        foreach (var entry in entries)
        {
            if (!IsKept(entry))
                continue;
            writer.Id(entry.Id);
            if (!entry.IsChanged)
            {
                writer.Unsigned((ulong)entry.Stored.Length);
                writer.Bytes(entry.Stored.Span);
                continue;
            }

            inner.Clear();
            entry.State!.Write(inner, watermark);
            writer.Unsigned((ulong)inner.Length);
            writer.Bytes(inner.Written);
        }

        return writer.Written.ToArray();
    }

    internal FeatureState? Find(Feature feature)
    {
        var index = IndexOf(feature.Id);
        return index < 0 ? null : Decoded(entries[index], feature).State;
    }

    internal void Changed(Feature feature)
    {
        var index = IndexOf(feature.Id);
        if (index >= 0)
            entries[index].IsChanged = true;
    }

    /// <summary>The features that an event counts for.</summary>
    internal void Matching(Event e, HashSet<Feature> matching)
    {
        matching.Clear();
        if (definitions.PlanFor(e) is not { } plan)
            return;
        plan.Find(e, found, concerned);
        foreach (var entry in concerned)
        {
            if (entry.Feature.Includes(e.Timestamp))
                matching.Add(entry.Feature);
        }
    }

    internal EvaluationContext Context(Instant now, IProfileTraits traits, Instant? oldestQueued)
    {
        var grace = (long)definitions.Limits.Grace.TotalMilliseconds;
        var hasBacklog = oldestQueued is { } oldest && now.Milliseconds - oldest.Milliseconds > grace;
        return new EvaluationContext(this, traits, Math.Max(now.Milliseconds, watermark), hasBacklog, grace);
    }

    private void Apply(Event e, EventPlan plan)
    {
        plan.Find(e, found, concerned);
        foreach (var entry in concerned)
        {
            var feature = entry.Feature;
            if (feature.Epoch > CompleteEpoch)
                continue;
            feature.Apply(Modify(feature).State!, entry.Role, e, entry.Slot < 0 ? null : found.Values[entry.Slot]);
            foreach (var definition in feature.Definitions)
                touched.Add(definition);
        }
    }

    private SegmentEvaluation Evaluate(EvaluationContext context, bool everything)
    {
        var isDue = context.Now >= Math.Min(due, membershipDue);
        var all = everything || isDue;
        var result = new Results();
        if (all)
        {
            for (var i = 0; i < definitions.Definitions.Count; i++)
                Evaluate(definitions.Definitions[i], context, result);
        }
        else
        {
            foreach (var i in touched)
                Evaluate(definitions.Definitions[i], context, result);
        }

        if (context.Needed.Count == 0)
        {
            // What was not evaluated keeps the time it had.
            due = all ? result.Due : Math.Min(due, result.Due);
            membershipDue = all ? result.MembershipDue : Math.Min(membershipDue, result.MembershipDue);
            touched.Clear();
        }

        return new SegmentEvaluation(
            new Instant(context.Now), result.Segments, result.Computed, Time(due), Time(membershipDue), NeedsTimeline: context.Needed.Count > 0);
    }

    private void Evaluate(CompiledDefinition definition, EvaluationContext context, Results results)
    {
        var awaits = definition.Epoch > CompleteEpoch;
        if (definition is CompiledSegment segment)
        {
            if (awaits)
            {
                results.Segments.Add(new SegmentResult(definition.Id, null, AwaitsBackfill: true, definition.Epoch));
                return;
            }

            var needed = context.Needed.Count;
            var outcome = segment.Where.Evaluate(context);
            // A part that is unknown is of no matter where the whole is decided.
            if (outcome.Result is not null)
                context.Needed.RemoveRange(needed, context.Needed.Count - needed);
            results.Segments.Add(new SegmentResult(definition.Id, outcome.Result, AwaitsBackfill: false, definition.Epoch));
            results.MembershipDue = Math.Min(results.MembershipDue, outcome.Next);
            results.Due = Math.Min(results.Due, outcome.Next);
            return;
        }

        var measure = ((CompiledTrait)definition).Measure;
        if (awaits)
        {
            results.Computed.Add(new ComputedResult(definition.Id, null, IsKnown: false, AwaitsBackfill: true));
            return;
        }

        var value = measure.Read(context.Find(measure.Feature), context.Now, out var next);
        if (value is null)
            context.NeedTimeline(measure.Feature);
        results.Computed.Add(new ComputedResult(definition.Id, value?.ToJson(), value is not null, AwaitsBackfill: false));
        results.Due = Math.Min(results.Due, next);
    }

    /// <summary>Reads the features that the states do not tell from the timeline, all of them in one pass.</summary>
    private async Task AnswerAsync(EvaluationContext context, ITimeline timeline, CancellationToken cancellation)
    {
        var states = new Dictionary<Feature, FeatureState>();
        long? from = long.MaxValue;
        foreach (var feature in context.Needed)
        {
            states.Add(feature, feature.NewState(unlimited: true));
            var after = feature.NeededAfter(context.Now);
            from = after is null || from is null ? null : Math.Min(from.Value, after.Value + 1);
        }

        var own = new HashSet<Hash128>();
        foreach (var e in session)
        {
            own.Add(e.MessageKey);
            Fold(e, states);
        }

        await foreach (var e in timeline.ReadAsync(from is { } first ? new Instant(first) : null, cancellation))
        {
            // Another worker may have committed it in the meantime.
            if (!own.Contains(e.MessageKey))
                Fold(e, states);
        }

        foreach (var (feature, state) in states)
        {
            if (state is AbsenceState absence && Find(feature) is AbsenceState stored)
                absence.KeepMatured(stored);
            if (state.Bounded(watermark) is not { } bounded)
                continue;
            var entry = Modify(feature);
            entry.State = bounded;
        }

        context.Answer(states);
    }

    private void Fold(Event e, Dictionary<Feature, FeatureState> states)
    {
        if (definitions.PlanFor(e) is not { } plan)
            return;
        plan.Find(e, found, concerned);
        foreach (var entry in concerned)
        {
            if (states.TryGetValue(entry.Feature, out var state))
                entry.Feature.Apply(state, entry.Role, e, entry.Slot < 0 ? null : found.Values[entry.Slot]);
        }
    }

    private void TouchTraits(ReadOnlyMemory<byte> traits, bool ofGroup)
    {
        if (traits.IsEmpty)
            return;
        var reader = new Utf8JsonReader(traits.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        Span<char> characters = stackalloc char[Language.PropertyPath.Longest];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            // No definition names a longer one.
            if (reader.ValueSpan.Length <= characters.Length)
            {
                ReadOnlySpan<char> name = characters[..Encoding.UTF8.GetChars(reader.ValueSpan, characters)];
                if (reader.ValueIsEscaped)
                    name = JsonText.Read(ref reader);
                foreach (var definition in definitions.NamingTrait(name, ofGroup) ?? [])
                    touched.Add(definition);
            }

            reader.Read();
            reader.Skip();
        }
    }

    private void TouchContextTraits(ReadOnlyMemory<byte> context)
    {
        if (context.IsEmpty)
            return;
        var reader = new Utf8JsonReader(context.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isTraits = reader.ValueTextEquals("traits"u8);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            var isObject = reader.TokenType == JsonTokenType.StartObject;
            reader.Skip();
            if (isTraits && isObject)
                TouchTraits(context[start..(int)reader.BytesConsumed], ofGroup: false);
        }
    }

    private void RefuseIfOutdated()
    {
        if (NeedsNewerDefinitions)
            throw new InvalidOperationException($"The profile was written under definitions of epoch {seenEpoch}; these are of epoch {definitions.Epoch}.");
    }

    /// <summary>The entry of a feature, with a state that is about to change.</summary>
    private Entry Modify(Feature feature)
    {
        var index = IndexOf(feature.Id);
        Entry entry;
        if (index < 0)
        {
            entry = new Entry { Id = feature.Id, State = feature.NewState(unlimited: false) };
            entries.Insert(~index, entry);
        }
        else
        {
            entry = Decoded(entries[index], feature);
        }

        entry.IsChanged = true;
        return entry;
    }

    private static Entry Decoded(Entry entry, Feature feature)
    {
        if (entry.State is not null)
            return entry;
        entry.State = feature.NewState(unlimited: false);
        var reader = new StateReader(entry.Stored.Span);
        entry.State.Read(ref reader);
        return reader.More ? throw StateReader.Truncated() : entry;
    }

    private int IndexOf(ulong id)
    {
        var (low, high) = (0, entries.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = entries[middle].Id.CompareTo(id);
            if (order == 0)
                return middle;
            if (order < 0)
                low = middle + 1;
            else
                high = middle - 1;
        }

        return ~low;
    }

    /// <summary>Features of definitions that are gone go too; those of newer ones, which this process does not know, stay.</summary>
    private bool IsKept(Entry entry) => NeedsNewerDefinitions || definitions.FindFeature(entry.Id) is { } feature && feature.Epoch <= CompleteEpoch;

    private static Instant? Time(long due) => due is Outcome.Never or long.MinValue ? null : new Instant(due);

    private static void WriteDue(StateWriter writer, long due)
    {
        writer.Byte(due switch { long.MinValue => 0, Outcome.Never => 1, _ => (byte)2 });
        if (due is not (long.MinValue or Outcome.Never))
            writer.Long(due);
    }

    private static long ReadDue(ref StateReader reader) => reader.Byte() switch
    {
        0 => long.MinValue,
        1 => Outcome.Never,
        2 => reader.Long(),
        _ => throw StateReader.Truncated(),
    };

    /// <summary>A feature's state, as stored until it is needed.</summary>
    private sealed class Entry
    {
        public required ulong Id { get; init; }

        public ReadOnlyMemory<byte> Stored { get; init; }

        public FeatureState? State { get; set; }

        public bool IsChanged { get; set; }
    }

    private sealed class Results
    {
        public List<SegmentResult> Segments { get; } = [];

        public List<ComputedResult> Computed { get; } = [];

        public long Due { get; set; } = Outcome.Never;

        public long MembershipDue { get; set; } = Outcome.Never;
    }
}
