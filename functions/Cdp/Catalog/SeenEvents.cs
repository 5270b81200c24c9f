using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cdp.Catalog;

/// <summary>What was seen of the events of one name from one source.</summary>
internal sealed class SeenEvents : ISeen
{
    public string Name { get; init; } = "";

    public string Source { get; init; } = "";

    public long Count { get; set; }

    public long First { get; set; } = long.MaxValue;

    public long Last { get; set; } = long.MinValue;

    /// <summary>Of <c>traits</c> for identify and group calls, of <c>properties</c> for the others.</summary>
    public SeenProperty Properties { get; init; } = new();

    /// <summary>How often there was a property that has no place here.</summary>
    public long Unnamed { get; set; }

    /// <summary>The instance that wrote last, and which of its writes that was: so it knows one whose answer got lost.</summary>
    public string? By { get; set; }

    public long Write { get; set; }

    /// <summary>How often it could not be written though others could.</summary>
    [JsonIgnore]
    public int Tries { get; set; }

    public bool IsSound() => Name is not null && Source is not null && Properties?.IsSound() == true;

    /// <param name="room">How many properties may be there in the end.</param>
    /// <param name="source">Noted at each property.</param>
    public void Add(SeenEvents other, int room, string? source = null)
    {
        Count += other.Count;
        First = Math.Min(First, other.First);
        Last = Math.Max(Last, other.Last);
        var unnamed = Unnamed + other.Unnamed;
        // The root is none.
        room = Math.Max(0, room + 1 - Properties.CountProperties());
        Properties.Add(other.Properties, EventNames.HasTraits(Name), ref room, ref unnamed, source);
        Unnamed = unnamed;
    }
}

/// <summary>The names that one source has in the catalogue.</summary>
internal sealed record SeenNames(List<string> Names) : ISeen
{
    public bool IsSound() => Names is not null;
}

[JsonSerializable(typeof(SeenEvents))]
[JsonSerializable(typeof(SeenNames))]
[JsonSerializable(typeof(SeenViolations))]
internal sealed partial class CatalogJson : JsonSerializerContext
{
    public static CatalogJson Compact { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // Rows need no escapes for HTML, which would take up to six bytes a letter.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
