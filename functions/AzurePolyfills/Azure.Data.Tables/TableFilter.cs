using System.Globalization;

namespace Azure.Data.Tables;

/// <summary>Interpolated values as OData literals: quoted, escaped, and marked with their type.</summary>
internal sealed class TableFilter : IFormatProvider, ICustomFormatter
{
    private static readonly TableFilter Instance = new();

    public static string Create(FormattableString filter) => filter.ToString(Instance);

    public object? GetFormat(Type? formatType) => formatType == typeof(ICustomFormatter) ? this : null;

    public string Format(string? format, object? arg, IFormatProvider? formatProvider) => arg switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        string text => $"'{Escape(text)}'",
        char character => $"'{Escape(character.ToString())}'",
        int number => number.ToString(CultureInfo.InvariantCulture),
        long number => number.ToString(CultureInfo.InvariantCulture) + "L",
        double number => number.ToString(CultureInfo.InvariantCulture),
        Guid guid => $"guid'{guid}'",
        DateTimeOffset time => $"datetime'{time.UtcDateTime.ToString("o", CultureInfo.InvariantCulture)}'",
        DateTime time => $"datetime'{time.ToUniversalTime().ToString("o", CultureInfo.InvariantCulture)}'",
        byte[] bytes => $"X'{Convert.ToHexStringLower(bytes)}'",
        BinaryData data => $"X'{Convert.ToHexStringLower(data.ToMemory().Span)}'",
        _ => throw new ArgumentException($"Unable to convert argument of type {arg.GetType()} to an OData literal."),
    };

    internal static string Escape(string value) => value.Contains('\'', StringComparison.Ordinal) ? value.Replace("'", "''", StringComparison.Ordinal) : value;
}
