using System.Text;

namespace CdpFunctions.Tests.Infra;

/// <summary>A value in a Bicep file: a string with its <c>${}</c> left in, an object, an array, or anything else as its text.</summary>
internal abstract record BicepValue
{
    public IReadOnlyDictionary<string, BicepValue> Members =>
        this is BicepObject o ? o.Properties : throw new InvalidOperationException($"Not an object: {this}");

    public IReadOnlyList<BicepValue> Items => this is BicepArray a ? a.Elements : throw new InvalidOperationException($"Not an array: {this}");

    public string Text => this switch
    {
        BicepString s => s.Value,
        BicepExpression e => e.Source,
        _ => throw new InvalidOperationException($"Not a text: {this}"),
    };

    /// <summary>The value at a path of member names.</summary>
    public BicepValue At(params ReadOnlySpan<string> path)
    {
        var value = this;
        foreach (var name in path)
            value = value.Members.TryGetValue(name, out var member) ? member : throw new KeyNotFoundException($"There is no {name}.");
        return value;
    }
}

internal sealed record BicepString(string Value) : BicepValue;

internal sealed record BicepExpression(string Source) : BicepValue;

internal sealed record BicepObject(IReadOnlyDictionary<string, BicepValue> Properties) : BicepValue;

internal sealed record BicepArray(IReadOnlyList<BicepValue> Elements) : BicepValue;

/// <param name="Description">Of its decorator.</param>
/// <param name="Value">Of a parameter its default, or null.</param>
internal sealed record BicepDeclaration(string Kind, string Symbol, string? Description, BicepValue? Value);

/// <param name="Type">With the API version: <c>Microsoft.Web/sites@2024-04-01</c>.</param>
/// <param name="Condition">Of <c>if (...)</c>.</param>
/// <param name="Item">The loop's variable; null where it is no loop.</param>
/// <param name="Collection">What it loops over.</param>
internal sealed record BicepResource(string Symbol, string Type, string? Description, string? Condition, string? Item, string? Collection, BicepValue Body);

/// <summary>The declarations of a Bicep file. Takes the part of the language that infra/ uses and throws on everything else.</summary>
internal sealed class BicepFile
{
    private readonly string text;
    private readonly List<BicepDeclaration> declarations = [];
    private readonly List<BicepResource> resources = [];
    private int at;

    private BicepFile(string text) => this.text = text;

    public IReadOnlyList<BicepResource> Resources => resources;

    /// <summary>Parameters, variables and outputs.</summary>
    public IReadOnlyList<BicepDeclaration> Declarations => declarations;

    public BicepValue Variable(string symbol) => declarations.Single(d => d.Kind == "var" && d.Symbol == symbol).Value!;

    public BicepValue? Default(string parameter) => declarations.Single(d => d.Kind == "param" && d.Symbol == parameter).Value;

    public static BicepFile Parse(string text)
    {
        var file = new BicepFile(text);
        file.ParseAll();
        return file;
    }

    private void ParseAll()
    {
        string? description = null;
        for (SkipBlank(); at < text.Length; SkipBlank())
        {
            if (TryTake('@'))
            {
                var decorator = Expression();
                if (decorator.StartsWith("description('", StringComparison.Ordinal))
                    description = Unescape(decorator["description('".Length..^2]);
                continue;
            }

            var kind = Word();
            if (kind is "targetScope")
            {
                Take('=');
                Value();
            }
            else if (kind is "resource")
            {
                Resource(description);
            }
            else if (kind is "param" or "var" or "output")
            {
                var symbol = Word();
                if (kind is not "var")
                    Word();
                declarations.Add(new(kind, symbol, description, TryTake('=') ? Value() : null));
            }
            else
            {
                throw Wrong($"unknown declaration '{kind}'");
            }

            description = null;
        }
    }

    private void Resource(string? description)
    {
        var symbol = Word();
        var type = String();
        string? condition = null, item = null, collection = null;
        Take('=');
        var loop = TryTake('[');
        if (loop)
        {
            if (Word() != "for")
                throw Wrong("a loop expected");
            item = Word();
            if (Word() != "in")
                throw Wrong("'in' expected");
            collection = Word();
            Take(':');
        }

        SkipSpace();
        if (at < text.Length && text[at] == 'i')
        {
            if (Word() != "if")
                throw Wrong("'if' expected");
            Take('(');
            condition = Expression();
            Take(')');
        }

        var body = Object();
        if (loop)
            Take(']');
        resources.Add(new(symbol, type, description, condition, item, collection, body));
    }

    private BicepValue Value()
    {
        SkipBlank();
        return text[at] switch
        {
            '{' => Object(),
            '[' => Array(),
            _ => Scalar(Expression()),
        };
    }

    private BicepValue Scalar(string source) =>
        source[0] == '\'' && EndOfString(source, 0) == source.Length ? new BicepString(Unescape(source[1..^1])) : new BicepExpression(source);

    private BicepObject Object()
    {
        var members = new Dictionary<string, BicepValue>(StringComparer.Ordinal);
        Take('{');
        while (!TryTakeAfterBlank('}'))
        {
            var name = text[at] == '\'' ? String() : Word();
            Take(':');
            if (!members.TryAdd(name, Value()))
                throw Wrong($"'{name}' stands twice");
            TryTake(',');
        }

        return new BicepObject(members);
    }

    private BicepArray Array()
    {
        var items = new List<BicepValue>();
        Take('[');
        while (!TryTakeAfterBlank(']'))
        {
            items.Add(Value());
            TryTake(',');
        }

        return new BicepArray(items);
    }

    // Up to the end of the line, a comment, a comma or a closing bracket, whichever comes first outside strings and brackets.
    private string Expression()
    {
        SkipSpace();
        var start = at;
        var depth = 0;
        while (at < text.Length)
        {
            var c = text[at];
            if (c == '\'')
            {
                at = EndOfString(text, at);
                continue;
            }

            if (depth == 0 && c is ('\n' or ',' or '}' or ']' or ')'))
                break;
            if (text.AsSpan(at).StartsWith("//"))
                break;
            depth += c is '(' or '[' or '{' ? 1 : c is ')' or ']' or '}' ? -1 : 0;
            at++;
        }

        return at > start ? text[start..at].Trim() : throw Wrong("a value expected");
    }

    private string String()
    {
        SkipSpace();
        if (text[at] != '\'')
            throw Wrong("a string expected");
        var start = at + 1;
        at = EndOfString(text, at);
        return Unescape(text[start..(at - 1)]);
    }

    private int EndOfString(string source, int start)
    {
        for (var i = start + 1; i < source.Length && source[i] != '\n'; i++)
        {
            if (source[i] == '\\')
                i++;
            else if (source[i] == '$' && source[i + 1] == '{')
                i = EndOfHole(source, i + 2);
            else if (source[i] == '\'')
                return i + 1;
        }

        throw Wrong("a string has no end");
    }

    private int EndOfHole(string source, int start)
    {
        for (var i = start; i < source.Length; i++)
        {
            if (source[i] == '}')
                return i;
            if (source[i] == '\'')
                i = EndOfString(source, i) - 1;
        }

        throw Wrong("${ has no end");
    }

    private static string Unescape(string quoted)
    {
        var plain = new StringBuilder();
        for (var i = 0; i < quoted.Length; i++)
            plain.Append(quoted[i] == '\\' ? quoted[++i] : quoted[i]);
        return plain.ToString();
    }

    private string Word()
    {
        SkipSpace();
        var start = at;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
            at++;
        return at > start ? text[start..at] : throw Wrong("a name expected");
    }

    private void Take(char c)
    {
        if (!TryTake(c))
            throw Wrong($"'{c}' expected");
    }

    private bool TryTake(char c)
    {
        SkipSpace();
        if (at == text.Length || text[at] != c)
            return false;
        at++;
        return true;
    }

    private bool TryTakeAfterBlank(char c)
    {
        SkipBlank();
        return TryTake(c);
    }

    private void SkipSpace()
    {
        while (at < text.Length && text[at] == ' ')
            at++;
    }

    // Blank lines and comments too.
    private void SkipBlank()
    {
        while (at < text.Length)
        {
            if (char.IsWhiteSpace(text[at]))
                at++;
            else if (text.AsSpan(at).StartsWith("//"))
                at = text.IndexOf('\n', at) is var end and >= 0 ? end : text.Length;
            else
                return;
        }
    }

    private FormatException Wrong(string what) => new($"Line {text.AsSpan(0, Math.Min(at, text.Length)).Count('\n') + 1}: {what}.");
}
