using System.Globalization;
using System.Text.Json;

namespace Cdp.Webhooks.Mapping;

/// <summary>
/// Where in a request a value stands: <c>$.customer.email</c> in the payload, <c>@.sku</c> in the entry of the list that is gone through,
/// <c>header:X-Shopify-Topic</c> among the headers. Steps are <c>.name</c>, <c>["any name"]</c>, <c>[0]</c> and <c>[-1]</c>, the last entry.
/// </summary>
internal sealed class MappingPath
{
    private const string Header = "header:";

    private readonly Root root;
    private readonly string header;
    private readonly Step[] steps;

    private MappingPath(string text, Root root, string header, Step[] steps)
    {
        Text = text;
        this.root = root;
        this.header = header;
        this.steps = steps;
    }

    private enum Root
    {
        Payload,
        Item,
        Header,
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Whether a text in a mapping is meant as a path.</summary>
    public static bool IsPath(string text) => text is "$" or "@"
        || text.StartsWith("$.", StringComparison.Ordinal) || text.StartsWith("$[", StringComparison.Ordinal)
        || text.StartsWith("@.", StringComparison.Ordinal) || text.StartsWith("@[", StringComparison.Ordinal)
        || text.StartsWith(Header, StringComparison.Ordinal);

    /// <param name="refusal">Why it is none.</param>
    public static MappingPath? Parse(string text, out string refusal)
    {
        refusal = "";
        if (text.Length > WebhookLimits.TextLength)
        {
            refusal = $"longer than {WebhookLimits.TextLength} characters";
            return null;
        }

        if (text.StartsWith(Header, StringComparison.Ordinal))
        {
            if (text.Length > Header.Length && !text.Contains(' '))
                return new MappingPath(text, Root.Header, text[Header.Length..], []);
            refusal = "header: has to be followed by a header's name";
            return null;
        }

        if (!IsPath(text))
        {
            refusal = "not a path such as $.customer.email, @.sku or header:X-Topic";
            return null;
        }

        var read = new List<Step>();
        var at = 1;
        while (at < text.Length)
        {
            if (ReadStep(text, ref at) is not { } step)
            {
                refusal = $"cannot be read from character {at + 1} on: steps are .name, [\"any name\"], [0] and [-1]";
                return null;
            }

            read.Add(step);
            if (read.Count > WebhookLimits.PathSteps)
            {
                refusal = $"more than {WebhookLimits.PathSteps} steps";
                return null;
            }
        }

        return new MappingPath(text, text[0] == '$' ? Root.Payload : Root.Item, "", [.. read]);
    }

    /// <summary>False where there is nothing. A null is there.</summary>
    public bool TryFind(MappingScope scope, out JsonElement found)
    {
        found = default;
        switch (root)
        {
            case Root.Header:
                return scope.TryHeader(header, out found);
            case Root.Payload:
                found = scope.Payload;
                break;
            default:
                found = scope.Item;
                break;
        }

        foreach (var step in steps)
        {
            if (!step.TryTake(ref found))
                return false;
        }

        return true;
    }

    private static Step? ReadStep(string text, ref int at)
    {
        if (text[at] == '.')
        {
            var start = at + 1;
            var end = start;
            while (end < text.Length && text[end] is not ('.' or '[' or ']' or '"'))
                end++;
            if (end == start)
                return null;
            at = end;
            return new Step(text[start..end], 0);
        }

        if (text[at] != '[')
            return null;
        if (at + 1 < text.Length && text[at + 1] == '"')
        {
            var quote = text.IndexOf("\"]", at + 2, StringComparison.Ordinal);
            if (quote < 0)
                return null;
            var name = text[(at + 2)..quote];
            at = quote + 2;
            return new Step(name, 0);
        }

        var close = text.IndexOf(']', at);
        if (close < 0 || !int.TryParse(text.AsSpan(at + 1, close - at - 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
            return null;
        at = close + 1;
        return new Step(null, index);
    }

    /// <param name="Name">Null for an index.</param>
    private readonly record struct Step(string? Name, int Index)
    {
        public bool TryTake(ref JsonElement value)
        {
            if (Name is not null)
                return value.ValueKind == JsonValueKind.Object && value.TryGetProperty(Name, out value);
            if (value.ValueKind != JsonValueKind.Array)
                return false;
            var length = value.GetArrayLength();
            var index = Index < 0 ? length + Index : Index;
            if (index < 0 || index >= length)
                return false;
            value = value[index];
            return true;
        }
    }
}
