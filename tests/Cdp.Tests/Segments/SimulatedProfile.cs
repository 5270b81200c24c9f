using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Segments;

namespace Cdp.Tests.Segments;

/// <summary>The traits and the stored timeline of one profile, as the engine sees them.</summary>
internal sealed class SimulatedProfile : IProfileTraits, ITimeline
{
    private readonly Dictionary<(string, bool), (Event By, byte[] Json)> traits = [];

    public List<Event> Stored { get; } = [];

    /// <summary>How often the timeline was read.</summary>
    public int Reads { get; private set; }

    /// <summary>Last writer wins, by (time, messageId, source).</summary>
    public void SetTraits(Event e)
    {
        if (e.Type is not (EventType.Identify or EventType.Group) || e.Traits.IsEmpty)
            return;
        using var json = JsonDocument.Parse(e.Traits);
        foreach (var trait in json.RootElement.EnumerateObject())
        {
            var key = (trait.Name, e.Type == EventType.Group);
            if (!traits.TryGetValue(key, out var present) || Order(e).CompareTo(Order(present.By)) > 0)
                traits[key] = (e, Encoding.UTF8.GetBytes(trait.Value.GetRawText()));
        }
    }

    public ReadOnlyMemory<byte> Find(string name) => Json(name, ofGroup: false);

    public ReadOnlyMemory<byte> FindOfGroup(string name) => Json(name, ofGroup: true);

    public async IAsyncEnumerable<Event> ReadAsync(Instant? from, [EnumeratorCancellation] CancellationToken cancellation)
    {
        Reads++;
        await Task.CompletedTask;
        foreach (var e in Stored.Where(e => from is null || e.Timestamp >= from).OrderByDescending(e => e.Timestamp.Milliseconds))
            yield return e;
    }

    private ReadOnlyMemory<byte> Json(string name, bool ofGroup) =>
        traits.TryGetValue((name, ofGroup), out var trait) && !trait.Json.AsSpan().SequenceEqual("null"u8) ? trait.Json : default;

    private static (long, OrdinalText, OrdinalText) Order(Event e) => (e.Timestamp.Milliseconds, new(e.MessageId), new(e.SourceId));

    private readonly record struct OrdinalText(string Text) : IComparable<OrdinalText>
    {
        public int CompareTo(OrdinalText other) => string.CompareOrdinal(Text, other.Text);
    }
}
