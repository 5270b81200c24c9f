using Cdp.Events;
using Cdp.Segments.Language;
using Cdp.Segments.Matching;
using Cdp.Storage;

namespace Cdp.Segments.Features;

/// <summary>
/// The latest event that was to be followed (role 0), and the latest one that was to follow (role 1), for each group. That is all that matters: nothing
/// followed the latest of the one if the latest of the other is not after it. Order of arrival does not matter; mergeable.
/// </summary>
/// <param name="expires">An absence is forgotten that long after its event.</param>
internal sealed class AbsenceFeature(string key, Duration? expires, bool grouped, int capacity) : Feature(key)
{
    public override FeatureState NewState(bool unlimited) => new AbsenceState(expires?.Milliseconds, unlimited ? int.MaxValue : capacity);

    public override void Apply(FeatureState state, int role, Event e, List<FoundValue>? values)
    {
        if (!grouped)
            ((AbsenceState)state).Add(default, EventKey.Of(e), role);
        else if (Group(values!) is { } group)
            ((AbsenceState)state).Add(group, EventKey.Of(e), role);
    }

    public override long? NeededAfter(long now) => now - expires?.Milliseconds;

    /// <summary>The first value at the path; an event without one belongs to no group.</summary>
    public static Hash128? Group(List<FoundValue> values)
    {
        foreach (var value in values)
        {
            if (value.Value.Kind != ScalarKind.Composite)
                return value.Value.Hash();
        }

        return null;
    }
}

/// <summary>What is known of one group.</summary>
internal sealed class Awaited
{
    public EventKey? Taken { get; set; }

    public EventKey? Followed { get; set; }

    /// <summary>It was found absent at a moment when no events were waiting; this then stays so while there are some.</summary>
    public bool Matured { get; set; }

    public long Latest => Math.Max(Taken?.Time ?? long.MinValue, Followed?.Time ?? long.MinValue);

    public bool IsOpen => Taken is { } taken && (Followed is not { } followed || followed.CompareInSequence(taken) <= 0);
}

internal sealed class AbsenceState(long? expires, int capacity) : FeatureState
{
    private readonly Dictionary<Hash128, Awaited> groups = [];

    /// <summary>Groups whose last event was at this time or before it may have been left out.</summary>
    public long? Floor { get; private set; }

    public Dictionary<Hash128, Awaited>.ValueCollection Groups
    {
        get
        {
            Trim();
            return groups.Values;
        }
    }

    public bool IsIncomplete(long now) => Floor is { } floor && (expires is not { } span || floor > now - span);

    public void Add(Hash128 group, EventKey key, int role)
    {
        if (!groups.TryGetValue(group, out var awaited))
        {
            if (key.Time <= Floor)
                return;
            groups.Add(group, awaited = new Awaited());
        }

        if (role == 0 && (awaited.Taken is not { } taken || key.CompareInSequence(taken) > 0))
        {
            awaited.Taken = key;
            awaited.Matured = false;
        }
        else if (role == 1 && (awaited.Followed is not { } followed || key.CompareInSequence(followed) > 0))
        {
            awaited.Followed = key;
        }

        if (capacity != int.MaxValue && groups.Count > (2 * capacity) + 16)
            Trim();
    }

    /// <summary>Takes over what an earlier state had found absent already.</summary>
    public void KeepMatured(AbsenceState earlier)
    {
        foreach (var (group, awaited) in earlier.groups)
        {
            if (awaited.Matured && groups.TryGetValue(group, out var own) && own.Taken == awaited.Taken)
                own.Matured = true;
        }
    }

    public override void Write(StateWriter writer, long watermark)
    {
        Forget(watermark);
        Trim();
        writer.Time(Floor);
        writer.Count(groups.Count);
        foreach (var (group, awaited) in Ordered())
        {
            writer.Byte((byte)((group != default ? 1 : 0) | (awaited.Taken is not null ? 2 : 0) | (awaited.Followed is not null ? 4 : 0) | (awaited.Matured ? 8 : 0)));
            if (group != default)
                writer.Hash(group);
            if (awaited.Taken is { } taken)
                writer.Key(taken);
            if (awaited.Followed is { } followed)
                writer.Key(followed);
        }
    }

    public override void Read(ref StateReader reader)
    {
        Floor = reader.Time();
        for (var n = reader.Count(); n > 0; n--)
        {
            var flags = reader.Byte();
            groups[(flags & 1) != 0 ? reader.Hash() : default] = new Awaited
            {
                Taken = (flags & 2) != 0 ? reader.Key() : null,
                Followed = (flags & 4) != 0 ? reader.Key() : null,
                Matured = (flags & 8) != 0,
            };
        }
    }

    public override bool Merge(FeatureState other)
    {
        var absence = (AbsenceState)other;
        if (absence.Floor is { } floor)
            Floor = Floor is { } own ? Math.Max(own, floor) : floor;
        foreach (var (group, theirs) in absence.groups)
        {
            if (!groups.TryGetValue(group, out var ours))
            {
                groups.Add(group, theirs);
                continue;
            }

            if (theirs.Taken is { } taken && (ours.Taken is not { } present || taken.CompareInSequence(present) > 0))
            {
                ours.Taken = taken;
                ours.Matured = theirs.Matured;
            }

            if (theirs.Followed is { } followed && (ours.Followed is not { } last || followed.CompareInSequence(last) > 0))
                ours.Followed = followed;
        }

        Trim();
        return true;
    }

    private void Forget(long watermark)
    {
        if (expires is not { } span)
            return;
        foreach (var (group, awaited) in groups)
        {
            if (awaited.Latest <= watermark - span)
                groups.Remove(group);
        }

        if (Floor <= watermark - span)
            Floor = null;
    }

    private void Trim()
    {
        if (groups.Count <= capacity)
            return;
        var ordered = Ordered();
        for (var i = 0; i < ordered.Count - capacity; i++)
        {
            groups.Remove(ordered[i].Group);
            Floor = ordered[i].Awaited.Latest;
        }
    }

    private List<(Hash128 Group, Awaited Awaited)> Ordered()
    {
        var ordered = new List<(Hash128 Group, Awaited Awaited)>(groups.Count);
        foreach (var (group, awaited) in groups)
            ordered.Add((group, awaited));
        ordered.Sort(static (a, b) => a.Awaited.Latest != b.Awaited.Latest ? a.Awaited.Latest.CompareTo(b.Awaited.Latest)
            : a.Group.High != b.Group.High ? a.Group.High.CompareTo(b.Group.High) : a.Group.Low.CompareTo(b.Group.Low));
        return ordered;
    }
}
