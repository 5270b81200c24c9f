using System.Text.Json;
using Cdp.Events;

namespace Cdp.Identity;

/// <summary>Finds the identifiers an event carries, normalised, blocked values left out, strongest first.</summary>
/// <remarks>
/// E-mail and phone are read from identify <c>traits</c>, <c>context.traits</c> and <c>context.externalIds</c>; not from
/// properties (a gift's recipient) and not from group traits (the company's address). The <c>previousId</c> of an alias is
/// not among them: what it means depends on what is known, so the resolver looks it up.
/// </remarks>
public static class IdentifierExtractor
{
    public static IReadOnlyList<Identifier> Extract(Event e, IdentityRules rules)
    {
        var found = new List<Identifier>(4);
        Add(found, rules, IdentityRules.UserId, e.UserId);
        Add(found, rules, IdentityRules.AnonymousId, e.AnonymousId);
        if (e.Type == EventType.Identify)
            AddTraits(found, rules, e.Traits.Span);
        AddContext(found, rules, e.Context.Span);
        if (found.Count > 1)
            found.Sort((a, b) => rules.Find(a.Type)!.Priority.CompareTo(rules.Find(b.Type)!.Priority));
        return found;
    }

    private static void Add(List<Identifier> found, IdentityRules rules, string typeName, string? text)
    {
        if (text is null || rules.Find(typeName) is not { } type || type.Normalise(text) is not { } value)
            return;
        var identifier = new Identifier(type.Name, value);
        if (!found.Contains(identifier))
            found.Add(identifier);
    }

    private static void AddTraits(List<Identifier> found, IdentityRules rules, ReadOnlySpan<byte> traits)
    {
        if (traits.IsEmpty)
            return;
        var reader = Open(traits);
        AddTraits(found, rules, ref reader);
    }

    private static void AddTraits(List<Identifier> found, IdentityRules rules, ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var type = reader.ValueTextEquals("email"u8) ? IdentityRules.Email : reader.ValueTextEquals("phone"u8) ? IdentityRules.Phone : null;
            reader.Read();
            // traits come before context.traits: a name the event's own traits have is not read again.
            if (type is not null && !found.Exists(i => i.Type == type))
                Add(found, rules, type, Text(ref reader));
            reader.Skip();
        }
    }

    private static void AddContext(List<Identifier> found, IdentityRules rules, ReadOnlySpan<byte> context)
    {
        if (context.IsEmpty)
            return;
        var reader = Open(context);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isTraits = reader.ValueTextEquals("traits"u8);
            var isExternalIds = reader.ValueTextEquals("externalIds"u8);
            reader.Read();
            if (isTraits && reader.TokenType == JsonTokenType.StartObject)
                AddTraits(found, rules, ref reader);
            else if (isExternalIds && reader.TokenType == JsonTokenType.StartArray)
                AddExternalIds(found, rules, ref reader);
            else
                reader.Skip();
        }
    }

    private static void AddExternalIds(List<Identifier> found, IdentityRules rules, ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                continue;
            }

            string? id = null, type = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isId = reader.ValueTextEquals("id"u8);
                var isType = reader.ValueTextEquals("type"u8);
                reader.Read();
                if (isId)
                    id = Text(ref reader);
                else if (isType)
                    type = Text(ref reader);
                reader.Skip();
            }

            if (type is not null)
                Add(found, rules, type, id);
        }
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
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
}
