using System.Text.Json;
using Cdp.Events;

namespace Cdp.Interactions;

/// <summary>
/// What passes between a person and people of the company. An event is an interaction where its <c>context.interaction.kind</c> says so:
/// mappings of webhooks and <c>/v1/interactions</c> write it.
/// </summary>
public static class InteractionKinds
{
    /// <summary>The names are on the wire.</summary>
    public static readonly IReadOnlyList<string> All = ["call", "email", "meeting", "note", "deal", "ticket"];

    /// <summary>Those that a salesperson notes down; deals and tickets live in a CRM.</summary>
    public static readonly IReadOnlyList<string> Noted = ["call", "email", "meeting", "note"];

    /// <summary>Null where the event is no interaction.</summary>
    public static string? Of(Event e)
    {
        if (e.Context.IsEmpty)
            return null;
        var reader = new Utf8JsonReader(e.Context.Span, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isInteraction = reader.ValueTextEquals("interaction"u8);
            reader.Read();
            if (isInteraction)
                return reader.TokenType == JsonTokenType.StartObject ? Kind(ref reader) : null;
            reader.Skip();
        }

        return null;
    }

    /// <summary>The name of the track call that a kind is noted as.</summary>
    public static string EventName(string kind) => kind switch
    {
        "call" => "Call Logged",
        "email" => "Email Logged",
        "meeting" => "Meeting Logged",
        _ => "Note Logged",
    };

    private static string? Kind(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isKind = reader.ValueTextEquals("kind"u8);
            reader.Read();
            if (!isKind)
            {
                reader.Skip();
                continue;
            }

            for (var i = 0; reader.TokenType == JsonTokenType.String && i < All.Count; i++)
            {
                if (reader.ValueTextEquals(All[i]))
                    return All[i];
            }

            return null;
        }

        return null;
    }
}
