using System.Text.Json;
using Cdp.Events;

namespace Cdp.Identity;

/// <summary>
/// Finds the identifiers an event carries, normalised, blocked values left out, strongest first; those of one type in the order in which
/// they stand in <c>userId</c>, <c>anonymousId</c>, <c>mergeProperties</c>, <c>traits</c>, <c>properties</c>, <c>context</c>.
/// </summary>
/// <remarks>
/// <para>
/// Values are strings, and numbers as their decimal text; of a list each of its elements. <c>traits</c> are read from identify calls only:
/// group traits are the group's (a company's address). A member of <c>context.traits</c> is passed over where the event's own trait of
/// the same name has given a value.
/// </para>
/// <para>
/// <c>mergeProperties</c> are read from merge calls only: each entry <c>{type, value}</c> whose type is the name of one, or what it is called in
/// <c>context.externalIds</c>, or <c>mobile</c> for <c>phone</c>.
/// </para>
/// <para>
/// The <c>previousId</c> of an alias is not among them: what it means depends on what is known, so the resolver looks it up.
/// </para>
/// </remarks>
public static class IdentifierExtractor
{
    /// <summary>Identifiers taken from one event, the strongest first: each costs a row, and nobody has a list of more.</summary>
    public const int Most = 20;

    private const string People = "users";
    private const string Plain = "none";
    private const string Hashed = "sha256";

    public static IReadOnlyList<Identifier> Extract(Event e, IdentityRules rules)
    {
        var reading = rules.Reading;
        var found = new Found(stackalloc int[Most], stackalloc bool[reading.Traits.Members.Count]);
        found.Add(reading.UserId, e.UserId);
        found.Add(reading.AnonymousId, e.AnonymousId);
        if (e.Type == EventType.Merge)
            ReadMergeProperties(ref found, reading, e.MergeProperties.Span);
        if (e.Type == EventType.Identify)
            ReadObject(ref found, reading.Traits, e.Traits.Span);
        ReadObject(ref found, reading.Properties, e.Properties.Span);
        ReadContext(ref found, reading, e.Context.Span);
        return found.Identifiers;
    }

    private static void ReadMergeProperties(ref Found found, IdentifierReading reading, ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty)
            return;
        var reader = Open(json);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.StartObject)
                ReadMergeProperty(ref found, reading, ref reader);
            else
                reader.Skip();
        }
    }

    private static void ReadMergeProperty(ref Found found, IdentifierReading reading, ref Utf8JsonReader reader)
    {
        string? typeName = null, value = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("type"u8))
                typeName = NextText(ref reader, null);
            else if (reader.ValueTextEquals("value"u8))
                value = NextText(ref reader, null);
            else
                reader.Read();
            reader.Skip();
        }

        if (typeName is not null && reading.OfMergeProperty(typeName) is { } type)
            found.Add(type, value);
    }

    private static void ReadObject(ref Found found, IdentifierReading.Node node, ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || node.Members.Count == 0)
            return;
        var reader = Open(json);
        var areTraits = node.Name == IdentifierPath.Traits;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var member = node.Find(ref reader);
            reader.Read();
            if (ReadValue(ref found, member, ref reader) && areTraits)
                found.OwnTraits[member!.Ordinal] = true;
        }
    }

    private static void ReadContext(ref Found found, IdentifierReading reading, ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty)
            return;
        var reader = Open(json);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isExternalIds = reader.ValueTextEquals("externalIds"u8);
            var member = isExternalIds ? null : reading.Context.Find(ref reader);
            reader.Read();
            if (isExternalIds && reader.TokenType == JsonTokenType.StartArray)
                ReadExternalIds(ref found, reading, ref reader);
            else
                ReadValue(ref found, member, ref reader);
        }
    }

    /// <summary>Reads a value to its end, and what is below it.</summary>
    /// <param name="node">Null where no type is read from there.</param>
    /// <returns>It gave a value of a type, new or not.</returns>
    private static bool ReadValue(ref Found found, IdentifierReading.Node? node, ref Utf8JsonReader reader)
    {
        var any = false;
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject when node is { Members.Count: > 0 }:
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var member = node.Find(ref reader);
                    reader.Read();
                    if (member is { Own: >= 0 and var own } && found.OwnTraits[own])
                        member = null;
                    any |= ReadValue(ref found, member, ref reader);
                }

                break;
            case JsonTokenType.StartArray when node is { Types.Count: > 0 }:
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    any |= found.Add(node.Types, Text(ref reader));
                    reader.Skip();
                }

                break;
            case JsonTokenType.String or JsonTokenType.Number when node is { Types.Count: > 0 }:
                any = found.Add(node.Types, Text(ref reader));
                break;
            default:
                reader.Skip();
                break;
        }

        return any;
    }

    private static void ReadExternalIds(ref Found found, IdentifierReading reading, ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.StartObject)
                ReadExternalId(ref found, reading, ref reader);
            else
                reader.Skip();
        }
    }

    private static void ReadExternalId(ref Found found, IdentifierReading reading, ref Utf8JsonReader reader)
    {
        string? id = null, typeName = null, collection = People, encoding = Plain;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
                id = NextText(ref reader, null);
            else if (reader.ValueTextEquals("type"u8))
                typeName = NextText(ref reader, null);
            else if (reader.ValueTextEquals("collection"u8))
                collection = NextText(ref reader, People);
            else if (reader.ValueTextEquals("encoding"u8))
                encoding = NextText(ref reader, Plain);
            else
                reader.Read();
            reader.Skip();
        }

        // An account's or a group's id names nobody.
        if (typeName is null || collection != People || !reading.ByExternalType.TryGetValue(typeName, out var type))
            return;
        // Hashes and what they are of are different identifiers.
        if (encoding == Plain || (encoding == Hashed && type.Normalisation == Normalisation.Sha256))
            found.Add(type, id);
    }

    private static string? NextText(ref Utf8JsonReader reader, string? whereNull)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.Null ? whereNull : Text(ref reader);
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Number)
            return Event.DecimalText(reader.ValueSpan);
        if (reader.TokenType != JsonTokenType.String)
            return null;
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate: kept in the event as it is, but no text that could identify anybody.
            return null;
        }
    }

    private static Utf8JsonReader Open(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        return reader;
    }

    /// <summary>What was found so far, in the order of priority.</summary>
    /// <param name="priorities">Room for those of the identifiers.</param>
    /// <param name="ownTraits">Room for a mark on each trait that paths name.</param>
    private ref struct Found(Span<int> priorities, Span<bool> ownTraits)
    {
        private readonly Span<int> priorities = priorities;

        /// <summary>The members of the event's own <c>traits</c> that gave a value.</summary>
        public readonly Span<bool> OwnTraits = ownTraits;

        public List<Identifier> Identifiers { get; } = new(4);

        public readonly bool Add(List<IdentifierType> types, string? text)
        {
            var any = false;
            if (text is not null)
            {
                foreach (var type in types)
                    any |= Add(type, text);
            }

            return any;
        }

        public readonly bool Add(IdentifierType type, string? text)
        {
            if (type.Normalise(text) is not { } value)
                return false;
            var identifier = new Identifier(type.Name, value);
            if (Identifiers.Contains(identifier))
                return true;
            if (Identifiers.Count == Most)
            {
                if (priorities[Most - 1] <= type.Priority)
                    return true;
                Identifiers.RemoveAt(Most - 1);
            }

            var place = Identifiers.Count;
            for (; place > 0 && priorities[place - 1] > type.Priority; place--)
                priorities[place] = priorities[place - 1];
            priorities[place] = type.Priority;
            Identifiers.Insert(place, identifier);
            return true;
        }
    }
}
