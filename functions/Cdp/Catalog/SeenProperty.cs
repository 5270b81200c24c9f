using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Serialization;

namespace Cdp.Catalog;

/// <summary>What was seen at one path of the events of a name: a tree, whose members are the next names of the path.</summary>
internal sealed class SeenProperty
{
    /// <summary>By <see cref="PropertyType"/>.</summary>
    public long[] Types { get; init; } = new long[PropertyTypes.Count];

    public long First { get; set; } = long.MaxValue;

    public long Last { get; set; } = long.MinValue;

    public List<string>? Numbers { get; set; }

    /// <summary>Of texts that are not shown.</summary>
    public List<string>? Forms { get; set; }

    public List<SeenText>? Texts { get; set; }

    /// <summary>There were more different texts than are compared.</summary>
    public bool Many { get; set; }

    public Dictionary<string, SeenProperty>? Members { get; set; }

    /// <summary>Of each element of a list.</summary>
    public SeenProperty? Element { get; set; }

    /// <summary>Its name, or one above it, is a person's.</summary>
    [JsonIgnore]
    public bool IsPersonal { get; init; }

    /// <summary>How often a form was looked for since the last flush.</summary>
    [JsonIgnore]
    public int FormsTried { get; set; }

    /// <summary>For readers, who put sources together.</summary>
    [JsonIgnore]
    public List<string>? Sources { get; private set; }

    [JsonIgnore]
    public long Count
    {
        get
        {
            var sum = 0L;
            foreach (var count in Types)
                sum += count;
            return sum;
        }
    }

    /// <summary>This one, and all below it.</summary>
    public int CountProperties()
    {
        var sum = 1 + (Element?.CountProperties() ?? 0);
        if (Members is not null)
        {
            foreach (var member in Members.Values)
                sum += member.CountProperties();
        }

        return sum;
    }

    /// <summary>Makes digests of what may be stored; see <see cref="SeenText.Seal"/>.</summary>
    public void Seal(byte[] key)
    {
        foreach (var text in Texts ?? [])
            text.Seal(key);
        Element?.Seal(key);
        foreach (var member in Members?.Values ?? Enumerable.Empty<SeenProperty>())
            member.Seal(key);
    }

    /// <summary>Whether it is what this class writes: a stored one may be anything.</summary>
    public bool IsSound() =>
        Types is { Length: PropertyTypes.Count } && Element?.IsSound() != false && Texts?.TrueForAll(static text => text is { People: not null }) != false
        && Members?.Values.All(static member => member?.IsSound() == true) != false;

    /// <summary>Adds what was seen elsewhere or later. The order of additions does not matter, but for what is left out at a limit.</summary>
    /// <param name="isTrait">Texts of traits are shown only where there are few different ones.</param>
    /// <param name="room">How many properties may be new; those that may not are counted in <paramref name="unnamed"/>.</param>
    /// <param name="source">To be noted in <see cref="Sources"/>.</param>
    public void Add(SeenProperty other, bool isTrait, ref int room, ref long unnamed, string? source = null)
    {
        for (var i = 0; i < Types.Length; i++)
            Types[i] += other.Types[i];
        First = Math.Min(First, other.First);
        Last = Math.Max(Last, other.Last);
        Numbers = Union(Numbers, other.Numbers);
        Forms = Union(Forms, other.Forms);
        AddTexts(other, isTrait);
        if (source is not null && (Sources ??= []) is { } sources && !sources.Contains(source))
            sources.Add(source);
        if (other.Element is not null)
        {
            if (Element is null && room > 0)
            {
                Element = new SeenProperty();
                room--;
            }

            if (Element is null)
                unnamed += other.Element.Count;
            else
                Element.Add(other.Element, isTrait, ref room, ref unnamed, source);
        }

        foreach (var (name, member) in other.Members ?? [])
        {
            Members ??= new Dictionary<string, SeenProperty>(StringComparer.Ordinal);
            if (!Members.TryGetValue(name, out var mine))
            {
                if (room == 0)
                {
                    unnamed += member.Count;
                    continue;
                }

                Members.Add(name, mine = new SeenProperty());
                room--;
            }

            mine.Add(member, isTrait, ref room, ref unnamed, source);
        }
    }

    private static List<string>? Union(List<string>? mine, List<string>? other)
    {
        foreach (var example in other ?? [])
        {
            mine ??= [];
            if (mine.Count == CatalogLimits.Examples)
                break;
            if (!mine.Contains(example))
                mine.Add(example);
        }

        return mine;
    }

    private void AddTexts(SeenProperty other, bool isTrait)
    {
        Many |= other.Many;
        foreach (var text in other.Texts ?? [])
        {
            Texts ??= [];
            var index = Texts.FindIndex(t => t.Digest == text.Digest);
            if (index < 0)
            {
                if (Texts.Count == CatalogLimits.Texts)
                {
                    Many = true;
                    // Makes room for one that more people may have.
                    var rare = Texts.FindIndex(t => t is { Shown: null, People.Count: 1 });
                    if (rare < 0)
                        continue;
                    Texts.RemoveAt(rare);
                }

                index = Texts.Count;
                Texts.Add(new SeenText { Digest = text.Digest });
            }

            Texts[index].Add(text, mayShow: Texts.Count(t => t.Shown is not null) < CatalogLimits.ShownTexts);
        }

        // No enumeration: what is in it can be anything, a first name under a name that nobody thought of.
        if (isTrait && Many)
            Texts = null;
    }
}

/// <summary>A text that a property had. It is kept, and shown, only once enough people had it; until then there is a digest.</summary>
internal sealed class SeenText
{
    public uint Digest { get; set; }

    /// <summary>Digests of profile ids, as long as the text is not shown.</summary>
    public List<uint> People { get; init; } = [];

    public string? Shown { get; set; }

    /// <summary>Never leaves the process that saw it.</summary>
    [JsonIgnore]
    public string? Raw { get; init; }

    /// <summary>
    /// Digests under a key of the app's own: a list of names, or of profile ids, tells nobody what a stored digest stands for who has not the key too.
    /// </summary>
    public void Seal(byte[] key)
    {
        if (Raw is null)
            return;
        Digest = Mac(key, 't', MemoryMarshal.AsBytes(Raw.AsSpan()));
        Span<byte> person = stackalloc byte[sizeof(uint)];
        for (var i = 0; i < People.Count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(person, People[i]);
            People[i] = Mac(key, 'p', person);
        }
    }

    private static uint Mac(byte[] key, char kind, ReadOnlySpan<byte> data)
    {
        // No text is longer than CatalogLimits.TextLength.
        Span<byte> input = stackalloc byte[1 + data.Length];
        input[0] = (byte)kind;
        data.CopyTo(input[1..]);
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, input, mac);
        return BinaryPrimitives.ReadUInt32LittleEndian(mac);
    }

    public void Add(SeenText other, bool mayShow)
    {
        Shown ??= mayShow ? other.Shown : null;
        foreach (var person in other.People)
        {
            if (People.Count < CatalogLimits.PeopleOfText && !People.Contains(person))
                People.Add(person);
        }

        if (mayShow && People.Count >= CatalogLimits.PeopleOfText)
            Shown ??= other.Raw;
        if (Shown is not null)
            People.Clear();
    }
}
