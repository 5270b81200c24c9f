using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Imports;

/// <summary>
/// Rows as events without a mapping: the name of a column is the path of its cells, such as <c>userId</c>, <c>traits.address.city</c> or, for
/// numbers, <c>properties.total:number</c>. An empty cell is absent.
/// </summary>
internal sealed class CsvColumns
{
    private const string Type = "type";
    private const string Name = "event";

    private static readonly string[] Members = [Type, Name, "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp", "name"];

    private static readonly string[] Objects = ["traits", "properties", "context"];

    private readonly Node root = new("", default, -1, Kind.Text);
    private readonly string[] names;
    private readonly int type;
    private readonly int name;

    private CsvColumns(string[] names)
    {
        this.names = names;
        type = Array.IndexOf(names, Type);
        name = Array.IndexOf(names, Name);
    }

    private enum Kind
    {
        Text,
        Number,
        Boolean,
    }

    /// <param name="columns">As the header names them, none twice.</param>
    /// <param name="refusal">Why rows under this header cannot be events.</param>
    public static CsvColumns? Create(IReadOnlyList<string> columns, out string refusal)
    {
        refusal = "";
        var made = new CsvColumns([.. columns.Select(static column => column.Split(':')[0])]);
        for (var i = 0; i < columns.Count && refusal.Length == 0; i++)
            refusal = made.Add(columns[i], i);
        return refusal.Length == 0 ? made : null;
    }

    /// <summary>Writes the event of a row.</summary>
    public Refused? Write(ReadOnlySpan<byte> row, CsvCells cells, Utf8JsonWriter json)
    {
        json.WriteStartObject();
        if (type < 0 || cells.IsEmpty(type))
            json.WriteString("type"u8, name >= 0 && !cells.IsEmpty(name) ? "track"u8 : "identify"u8);
        foreach (var child in root.Children)
        {
            if (Write(row, cells, child, json) is { } refused)
                return refused;
        }

        json.WriteEndObject();
        return null;
    }

    private Refused? Write(ReadOnlySpan<byte> row, CsvCells cells, Node node, Utf8JsonWriter json)
    {
        if (!HasValue(cells, node))
            return null;
        json.WritePropertyName(node.Text);
        if (node.Column >= 0)
            return WriteCell(row, cells, node, json);
        json.WriteStartObject();
        foreach (var child in node.Children)
        {
            if (Write(row, cells, child, json) is { } refused)
                return refused;
        }

        json.WriteEndObject();
        return null;
    }

    private Refused? WriteCell(ReadOnlySpan<byte> row, CsvCells cells, Node node, Utf8JsonWriter json)
    {
        var text = cells.Text(row, node.Column);
        switch (node.Kind)
        {
            case Kind.Number when IsNumber(text):
                json.WriteRawValue(text, skipInputValidation: true);
                return null;
            case Kind.Number:
                return Invalid(node, "The cell is no number such as 12.50.");
            case Kind.Boolean when text.SequenceEqual("true"u8) || text.SequenceEqual("false"u8):
                json.WriteRawValue(text, skipInputValidation: true);
                return null;
            case Kind.Boolean:
                return Invalid(node, "The cell is neither true nor false.");
            default:
                json.WriteStringValue(text);
                return null;
        }
    }

    private Refused Invalid(Node node, string detail) => new(ProblemType.InvalidField, $"{names[node.Column]}: {detail}", names[node.Column]);

    private static bool IsNumber(ReadOnlySpan<byte> text)
    {
        try
        {
            var reader = new Utf8JsonReader(text);
            return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.BytesConsumed == text.Length && reader.TokenStartIndex == 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static bool HasValue(CsvCells cells, Node node)
    {
        if (node.Column >= 0)
            return !cells.IsEmpty(node.Column);
        foreach (var child in node.Children)
        {
            if (HasValue(cells, child))
                return true;
        }

        return false;
    }

    private string Add(string column, int index)
    {
        var parts = column.Split(':');
        if (parts.Length > 2 || (parts.Length == 2 && parts[1] is not ("text" or "number" or "boolean")))
            return $"The column '{column}' has a colon: behind it stands text, number or boolean.";
        var kind = parts.Length < 2 ? Kind.Text : parts[1] switch { "number" => Kind.Number, "boolean" => Kind.Boolean, _ => Kind.Text };
        var path = parts[0].Split('.');
        var known = path.Length == 1 ? Array.IndexOf(Members, path[0]) >= 0 : Array.IndexOf(Objects, path[0]) >= 0;
        if (!known || Array.Exists(path, static step => step.Length == 0))
        {
            return $"The column '{column}' is unknown: columns are {string.Join(", ", Members)}, and paths such as traits.email, properties.total:number or context.locale. "
                + "Rename it, leave it out, or give the import a mapping.";
        }

        if (path.Length > ImportLimits.PathNames)
            return $"The column '{column}' has more than {ImportLimits.PathNames} names.";
        var node = root;
        for (var i = 0; i < path.Length; i++)
        {
            var step = path[i];
            var found = node.Children.Find(child => child.Name == step);
            var isLast = i == path.Length - 1;
            if (found is not null && (isLast || found.Column >= 0))
                return $"The column '{column}' and the column '{names[found.Column >= 0 ? found.Column : index]}' stand for the same value, or one of them is inside of the other.";
            if (found is null)
                node.Children.Add(found = new Node(step, JsonEncodedText.Encode(step, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping), isLast ? index : -1, kind));
            node = found;
        }

        return "";
    }

    /// <param name="Column">-1 for an object.</param>
    private sealed record Node(string Name, JsonEncodedText Text, int Column, Kind Kind)
    {
        public List<Node> Children { get; } = [];
    }
}
