namespace Cdp.Catalog;

/// <summary>What contradicted the tracking plan of a source.</summary>
internal sealed class SeenViolations : ISeen
{
    /// <summary>Beyond it an event name is counted as <see cref="EventNames.Other"/>, whose paths are few.</summary>
    public const int Most = 200;

    public List<SeenViolation> Items { get; init; } = [];

    /// <summary>The instance that wrote last, and which of its writes that was: so it knows one whose answer got lost.</summary>
    public string? By { get; set; }

    public long Write { get; set; }

    public bool IsSound() => Items?.TrueForAll(static item => item is { Event: not null, Path: not null, Kind: not null }) == true;

    public void Add(SeenViolation seen)
    {
        var there = Find(seen.Event, seen.Path, seen.Kind);
        if (there is null && Items.Count >= Most)
        {
            seen = seen.As(EventNames.Other, "");
            there = Find(seen.Event, seen.Path, seen.Kind);
        }

        if (there is null)
            Items.Add(seen.As(seen.Event, seen.Path));
        else
            there.Add(seen);
    }

    private SeenViolation? Find(string name, string path, string kind) =>
        Items.Find(item => item.Event == name && item.Path == path && item.Kind == kind);
}

/// <summary>One kind of contradiction at one path of the events of a name.</summary>
internal sealed class SeenViolation
{
    public string Event { get; init; } = "";

    public string Path { get; init; } = "";

    public string Kind { get; init; } = "";

    public long Count { get; set; }

    public long Blocked { get; set; }

    public long First { get; set; } = long.MaxValue;

    public long Last { get; set; } = long.MinValue;

    /// <summary>Of the last one.</summary>
    public string? MessageId { get; set; }

    public void Add(SeenViolation other)
    {
        Count += other.Count;
        Blocked += other.Blocked;
        First = Math.Min(First, other.First);
        if (other.Last >= Last)
            (Last, MessageId) = (other.Last, other.MessageId);
    }

    /// <summary>A copy of its own: what is added to must not be what is added.</summary>
    public SeenViolation As(string name, string path) => new()
    {
        Event = name, Path = path, Kind = Kind, Count = Count, Blocked = Blocked, First = First, Last = Last, MessageId = MessageId,
    };
}
