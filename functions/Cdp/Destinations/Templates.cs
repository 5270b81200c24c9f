using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using HandlebarsDotNet;
using HandlebarsDotNet.IO;

namespace Cdp.Destinations;

/// <summary>What the values in a template are written into.</summary>
public enum TemplateKind
{
    /// <summary>Values are written as they are.</summary>
    Text,

    /// <summary>Values are escaped as inside a JSON string.</summary>
    Json,
}

/// <summary>
/// Handlebars templates of people who may define destinations, filled with data of persons. There are the built-in blocks and the helpers <c>json</c>,
/// <c>default</c>, <c>upper</c>, <c>lower</c>, <c>eq</c>; no files, no partials, no methods of .NET objects.
/// </summary>
public sealed class Template
{
    public const int LongestSource = 16 * 1024;

    /// <summary>Characters of what comes out.</summary>
    public const int LongestOutput = 256 * 1024;

    private static readonly IHandlebars Text = Create(new PlainEncoder());
    private static readonly IHandlebars Json = Create(new JsonEncoder());

    private readonly HandlebarsTemplate<TextWriter, object, object> compiled;

    private Template(HandlebarsTemplate<TextWriter, object, object> compiled) => this.compiled = compiled;

    /// <summary>Null where the source is no template; then <paramref name="error"/> says why.</summary>
    public static Template? Parse(string source, TemplateKind kind, out string? error)
    {
        error = null;
        if (source.Length > LongestSource)
            error = $"longer than {LongestSource:N0} characters";
        else if (source.Contains("{{>", StringComparison.Ordinal) || source.Contains("{{#>", StringComparison.Ordinal) || source.Contains("{{#*", StringComparison.Ordinal) || source.Contains("{{log", StringComparison.Ordinal))
            error = "uses partials, decorators or log, which there are not";
        if (error is not null)
            return null;
        try
        {
            using var reader = new StringReader(kind == TemplateKind.Json ? Parted(source) : source);
            return new Template((kind == TemplateKind.Json ? Json : Text).Compile(reader));
        }
        catch (HandlebarsException malformed)
        {
            error = "no template: " + malformed.Message.Split('\n')[0].Trim();
            return null;
        }
    }

    /// <exception cref="TemplateException">It cannot be filled, or more comes out than may.</exception>
    public string Render(JsonElement view)
    {
        using var writer = new BoundedWriter(LongestOutput);
        try
        {
            compiled(writer, TemplateData.Of(view)!, null!);
        }
        catch (Exception exception) when (exception is HandlebarsException or TemplateException)
        {
            // Its own text may repeat data of the person.
            throw exception as TemplateException ?? exception.InnerException as TemplateException ?? new TemplateException("The template cannot be filled.");
        }

        return writer.ToString();
    }

    /// <summary>
    /// The brace that ends an object right behind an expression, as in <c>{"a":{{json b}}}</c>, would be read as the third one of a raw expression: a space goes between.
    /// </summary>
    private static string Parted(string source)
    {
        var text = new StringBuilder(source.Length + 16);
        for (var i = 0; i < source.Length;)
        {
            var open = source.IndexOf("{{", i, StringComparison.Ordinal);
            var close = open < 0 ? -1 : source.IndexOf("}}", open, StringComparison.Ordinal);
            if (close < 0)
                return text.Append(source, i, source.Length - i).ToString();
            // Of "{{{a" the expression is the inner two or all three; what closes it tells.
            var isRaw = source.AsSpan(open).StartsWith("{{{");
            var end = isRaw && source.AsSpan(close).StartsWith("}}}") ? close + 3 : close + 2;
            text.Append(source, i, end - i);
            if (!isRaw && end < source.Length && source[end] == '}')
                text.Append(' ');
            i = end;
        }

        return text.ToString();
    }

    private static IHandlebars Create(ITextEncoder encoder)
    {
        var handlebars = Handlebars.Create(new HandlebarsConfiguration
        {
            TextEncoder = encoder,
            FormatProvider = CultureInfo.InvariantCulture,
            ThrowOnUnresolvedBindingExpression = false,
            PartialTemplateResolver = null!,
        });
        // Raw: what is written is JSON itself.
        handlebars.RegisterHelper("json", static (output, _, arguments) => output.WriteSafeString(TemplateData.ToJson(arguments.Length > 0 ? arguments[0] : null)));
        handlebars.RegisterHelper("default", static (_, arguments) => arguments.Length > 1 && IsMissing(arguments[0]) ? arguments[1] : arguments.Length > 0 ? arguments[0] : "");
        handlebars.RegisterHelper("upper", static (_, arguments) => TextOf(arguments).ToUpperInvariant());
        handlebars.RegisterHelper("lower", static (_, arguments) => TextOf(arguments).ToLowerInvariant());
        handlebars.RegisterHelper("eq", static (_, arguments) => arguments.Length > 1 && string.Equals(TemplateData.TextOf(arguments[0]), TemplateData.TextOf(arguments[1]), StringComparison.Ordinal));
        return handlebars;
    }

    private static string TextOf(Arguments arguments) => arguments.Length > 0 && !IsMissing(arguments[0]) ? TemplateData.TextOf(arguments[0]) : "";

    private static bool IsMissing(object? value) => value is null or UndefinedBindingResult || value is "";

    private sealed class PlainEncoder : ITextEncoder
    {
        public void Encode(StringBuilder? text, TextWriter target) => target.Write(text);

        public void Encode(string? text, TextWriter target) => target.Write(text);

        public void Encode<T>(T? text, TextWriter target)
            where T : IEnumerator<char>
        {
            while (text?.MoveNext() == true)
                target.Write(text.Current);
        }
    }

    private sealed class JsonEncoder : ITextEncoder
    {
        public void Encode(StringBuilder? text, TextWriter target) => Encode(text?.ToString(), target);

        public void Encode(string? text, TextWriter target)
        {
            if (text is not null)
                target.Write(JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text));
        }

        public void Encode<T>(T? text, TextWriter target)
            where T : IEnumerator<char>
        {
            var all = new StringBuilder();
            while (text?.MoveNext() == true)
                all.Append(text.Current);
            Encode(all.ToString(), target);
        }
    }

    /// <summary>Stops a template that goes on and on.</summary>
    private sealed class BoundedWriter(int most) : StringWriter(CultureInfo.InvariantCulture)
    {
        public override void Write(char value)
        {
            Check(1);
            base.Write(value);
        }

        public override void Write(string? value)
        {
            Check(value?.Length ?? 0);
            base.Write(value);
        }

        public override void Write(char[] buffer, int index, int count)
        {
            Check(count);
            base.Write(buffer, index, count);
        }

        private void Check(int more)
        {
            if (GetStringBuilder().Length + more > most)
                throw new TemplateException($"The template gives more than {most:N0} characters.");
        }
    }
}

/// <summary>The message says nothing of the data.</summary>
public sealed class TemplateException(string message) : Exception(message);

/// <summary>JSON as templates are given it: dictionaries, lists and texts, which have no members that could do anything.</summary>
internal static class TemplateData
{
    public static object? Of(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new Dictionary<string, object?>(StringComparer.Ordinal);
                foreach (var member in json.EnumerateObject())
                    members[member.Name] = Of(member.Value);
                return members;
            case JsonValueKind.Array:
                var items = new List<object?>(json.GetArrayLength());
                foreach (var item in json.EnumerateArray())
                    items.Add(Of(item));
                return items;
            case JsonValueKind.String:
                return Text(json);
            case JsonValueKind.Number:
                // Nought counts as false in blocks; every other number is written with the sender's digits.
                return json.TryGetDecimal(out var number) && number == 0 ? 0 : new NumberText(json.GetRawText());
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            default:
                return null;
        }
    }

    public static string ToJson(object? value)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            Write(json, value);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    public static string TextOf(object? value) => value switch
    {
        null or UndefinedBindingResult => "",
        bool flag => flag ? "true" : "false",
        string or NumberText => value.ToString()!,
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => ToJson(value),
    };

    private static void Write(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case IReadOnlyDictionary<string, object?> members:
                json.WriteStartObject();
                foreach (var (name, member) in members)
                {
                    json.WritePropertyName(name);
                    Write(json, member);
                }

                json.WriteEndObject();
                break;
            case IReadOnlyList<object?> items:
                json.WriteStartArray();
                foreach (var item in items)
                    Write(json, item);
                json.WriteEndArray();
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case NumberText number:
                json.WriteRawValue(number.Digits);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case int number:
                json.WriteNumberValue(number);
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }

    /// <summary>Half of a surrogate pair is no text.</summary>
    private static string? Text(JsonElement json)
    {
        try
        {
            return json.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private sealed record NumberText(string Digits)
    {
        public override string ToString() => Digits;
    }
}
