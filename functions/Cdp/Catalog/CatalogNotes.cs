using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Cdp.Events;
using Cdp.Profiles;

namespace Cdp.Catalog;

/// <summary>
/// What a process saw since its last flush. Noting an event is one pass over its properties; where everything in it was seen before, it
/// allocates nothing. Not thread-safe.
/// </summary>
internal sealed class CatalogNotes
{
    // Longer ones have no example, and are not decoded.
    private const int LongestText = 4 * CatalogLimits.TextLength;

    // An enumeration never has five forms, and would be tried at each event.
    private const int FormsTried = 50;

    private readonly Dictionary<(string Source, string Name), SeenEvents> events = [];
    private readonly Dictionary<string, Held> sources = new(StringComparer.Ordinal);
    private SeenEvents current = new();
    private Held held = new();
    private long at;
    private uint person;

    public bool IsEmpty => events.Count == 0;

    /// <summary>Events that are noted, by source and name.</summary>
    public IReadOnlyCollection<SeenEvents> Events => events.Values;

    public void Add(Event e, ProfileId profile)
    {
        if (EventNames.Of(e) is not { Length: > 0 } name)
            return;
        current = Find(e.SourceId, name);
        at = e.Timestamp.Milliseconds;
        current.Count++;
        current.First = Math.Min(current.First, at);
        current.Last = Math.Max(current.Last, at);
        var hasTraits = EventNames.HasTraits(name);
        var properties = hasTraits ? e.Traits : e.Properties;
        if (properties.IsEmpty || current.Name == EventNames.Other)
            return;
        person = Fold(profile.Value);
        var reader = new Utf8JsonReader(properties.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        AddMembers(ref reader, current.Properties, hasTraits, depth: 1);
    }

    private SeenEvents Find(string source, string name)
    {
        ref var holds = ref CollectionsMarshal.GetValueRefOrAddDefault(sources, source, out _);
        held = holds ??= new Held();
        if (events.TryGetValue((source, name), out var seen))
            return seen;
        var isOther = name == EventNames.Other || (!EventNames.IsReserved(name) && (!EventNames.CanBeShown(name) || held.Names++ >= CatalogLimits.HeldNames));
        ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(events, (source, isOther ? EventNames.Other : name), out _);
        return place ??= new SeenEvents { Source = source, Name = isOther ? EventNames.Other : name };
    }

    /// <param name="reader">At the object's start.</param>
    private void AddMembers(ref Utf8JsonReader reader, SeenProperty parent, bool isTrait, int depth)
    {
        Span<char> name = stackalloc char[CatalogLimits.PropertyNameLength];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var length = CopyName(ref reader, name);
            var member = length > 0 ? Member(parent, name[..length], isTrait) : null;
            reader.Read();
            if (member is null)
            {
                current.Unnamed++;
                reader.Skip();
            }
            else
            {
                AddValue(ref reader, member, isTrait, depth);
            }
        }
    }

    /// <returns>The length; 0 for names that a path cannot have.</returns>
    private static int CopyName(ref Utf8JsonReader reader, scoped Span<char> name)
    {
        if (reader.ValueSpan.Length > name.Length)
            return 0;
        try
        {
            var length = reader.CopyString(name);
            return name[..length].ContainsAny('.', '[', ']') ? 0 : length;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair.
            return 0;
        }
    }

    private SeenProperty? Member(SeenProperty parent, ReadOnlySpan<char> name, bool isTrait)
    {
        parent.Members ??= [];
        var members = parent.Members.GetAlternateLookup<ReadOnlySpan<char>>();
        if (members.TryGetValue(name, out var member))
            return member;
        // Objects that have people or things for names are held together by their values.
        if (held.Properties >= CatalogLimits.HeldProperties || parent.Members.Count >= CatalogLimits.Properties || PersonalData.LooksLike(name, isName: true))
            return null;
        held.Properties++;
        var text = name.ToString();
        member = new SeenProperty { IsPersonal = parent.IsPersonal || PersonalData.IsNamedBy(text, isTrait) };
        parent.Members.Add(text, member);
        return member;
    }

    private void AddValue(ref Utf8JsonReader reader, SeenProperty property, bool isTrait, int depth)
    {
        var type = PropertyTypes.Of(ref reader);
        property.Types[(int)type]++;
        property.First = Math.Min(property.First, at);
        property.Last = Math.Max(property.Last, at);
        switch (type)
        {
            case PropertyType.String or PropertyType.Time:
                AddText(ref reader, property, mayShow: type == PropertyType.String);
                break;
            case PropertyType.Number:
                AddNumber(ref reader, property);
                break;
            case PropertyType.Object or PropertyType.List when depth == CatalogLimits.Depth:
                reader.Skip();
                break;
            case PropertyType.Object:
                AddMembers(ref reader, property, isTrait, depth + 1);
                break;
            case PropertyType.List:
                AddElements(ref reader, property, isTrait, depth + 1);
                break;
        }
    }

    private void AddElements(ref Utf8JsonReader reader, SeenProperty list, bool isTrait, int depth)
    {
        for (var i = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; i++)
        {
            if (list.Element is null && held.Properties < CatalogLimits.HeldProperties)
            {
                held.Properties++;
                list.Element = new SeenProperty { IsPersonal = list.IsPersonal };
            }

            if (list.Element is { } element && i < CatalogLimits.Elements)
                AddValue(ref reader, element, isTrait, depth);
            else
                reader.Skip();
        }
    }

    private static void AddNumber(ref Utf8JsonReader reader, SeenProperty property)
    {
        var number = reader.ValueSpan;
        if (property.IsPersonal || !PersonalData.IsShortNumber(number))
        {
            AddExample(property.Forms ??= [], "9");
            return;
        }

        var numbers = property.Numbers ??= new List<string>(CatalogLimits.Examples);
        if (numbers.Count == CatalogLimits.Examples)
            return;
        Span<char> text = stackalloc char[number.Length];
        Encoding.ASCII.GetChars(number, text);
        AddExample(numbers, text);
    }

    private void AddText(ref Utf8JsonReader reader, SeenProperty property, bool mayShow)
    {
        var bytes = reader.ValueSpan;
        // What has escapes may be no text, and has to be decoded to know. Others of the property will do.
        if (bytes.IsEmpty || bytes.Length > LongestText || reader.ValueIsEscaped)
            return;
        Span<char> buffer = stackalloc char[LongestText];
        ReadOnlySpan<char> text = buffer[..Encoding.UTF8.GetChars(bytes, buffer)];
        if (mayShow && !property.IsPersonal && text.Length <= CatalogLimits.TextLength && AddTo(property, text))
            return;
        var forms = property.Forms ??= new List<string>(CatalogLimits.Examples);
        if (forms.Count == CatalogLimits.Examples || ++property.FormsTried > FormsTried)
            return;
        Span<char> form = stackalloc char[PersonalData.FormLength];
        AddExample(forms, form[..PersonalData.Form(text, form)]);
    }

    /// <summary>False where only its form may be noted, or that too.</summary>
    private bool AddTo(SeenProperty property, ReadOnlySpan<char> text)
    {
        var texts = property.Texts ??= [];
        foreach (var seen in CollectionsMarshal.AsSpan(texts))
        {
            if (!text.SequenceEqual(seen.Raw))
                continue;
            if (seen.People.Count < CatalogLimits.PeopleOfText && !seen.People.Contains(person))
                seen.People.Add(person);
            return true;
        }

        if (texts.Count == CatalogLimits.Texts)
        {
            property.Many = true;
            return true;
        }

        if (PersonalData.LooksLike(text))
            return false;
        var raw = text.ToString();
        texts.Add(new SeenText { Raw = raw, People = [person] });
        return false;
    }

    private static void AddExample(List<string> examples, ReadOnlySpan<char> example)
    {
        if (examples.Count == CatalogLimits.Examples)
            return;
        foreach (var there in CollectionsMarshal.AsSpan(examples))
        {
            if (example.SequenceEqual(there))
                return;
        }

        examples.Add(example.ToString());
    }

    /// <summary>
    /// FNV-1a, the same in every process; keyed before it is stored (<see cref="SeenText.Seal"/>). Two that meet by chance are taken for one: an example shared by
    /// four.
    /// </summary>
    private static uint Fold(ReadOnlySpan<char> text)
    {
        var hash = 2166136261u;
        foreach (var c in text)
            hash = (hash ^ c) * 16777619u;
        return hash;
    }

    /// <summary>How much is held of a source.</summary>
    private sealed class Held
    {
        public int Names { get; set; }

        public int Properties { get; set; }
    }
}
