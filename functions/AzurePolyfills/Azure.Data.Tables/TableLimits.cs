using System.Buffers;
using System.Globalization;

namespace Azure.Data.Tables;

/// <summary>
/// The service's limits that the emulator does not know, enforced before a request is sent with the codes the service answers:
/// https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model and
/// https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes.
/// </summary>
internal static class TableLimits
{
    public const int EntityBytes = 1024 * 1024;
    public const int Properties = 252;
    public const int PropertyNameChars = 255;
    public const int BinaryBytes = 64 * 1024;
    public const int StringChars = 32 * 1024;
    public const int FilterComparisons = 15;
    public const int TransactionActions = 100;
    public const int TransactionBytes = 4 * 1024 * 1024;

    private static readonly SearchValues<char> Forbidden = SearchValues.Create(
        string.Concat(
            "/\\#?",
            string.Concat(Enumerable.Range(0, 0x20).Select(static c => (char)c)),
            string.Concat(Enumerable.Range(0x7f, 0x21).Select(static c => (char)c))));

    public static RequestFailedException EntityTooLarge() =>
        new(400, "The entity is larger than the maximum allowed size (1MB).", "EntityTooLarge", null);

    public static RequestFailedException TooManyProperties() =>
        new(400, "The entity contains more properties than allowed. Each entity can include up to 252 properties to store data. Each entity also has 3 system properties.", "TooManyProperties", null);

    public static RequestFailedException PropertyNameTooLong() =>
        new(400, "The property name exceeds the maximum allowed length (255).", "PropertyNameTooLong", null);

    public static RequestFailedException PropertyValueTooLarge() =>
        new(400, "The property value exceeds the maximum allowed size (64KB). If the property value is a string, it is UTF-16 encoded and the maximum number of characters should be 32K or less.", "PropertyValueTooLarge", null);

    public static RequestFailedException BodyTooLarge() =>
        new(413, "The request body is too large and exceeds the maximum permissible limit.", "RequestBodyTooLarge", null);

    public static RequestFailedException TooManyActions() =>
        new(400, string.Create(CultureInfo.InvariantCulture, $"{TransactionActions - 1}:The batch request operation exceeds the maximum {TransactionActions} changes per change set."), "InvalidInput", null);

    public static RequestFailedException DifferentPartitions() =>
        new(400, "All commands in a batch must operate on same entity group.", "CommandsInBatchActOnDifferentPartitions", null);

    public static void CheckKey(string name, string value)
    {
        if (value.AsSpan().ContainsAny(Forbidden))
            throw new RequestFailedException(400, $"The '{name}' parameter of value '{value}' is out of range.", "OutOfRangeInput", null);
    }

    /// <summary>Counts the comparison operators that stand outside quoted text.</summary>
    public static void CheckFilter(string filter)
    {
        var comparisons = 0;
        var quoted = false;
        for (var i = 0; i < filter.Length; i++)
        {
            if (filter[i] == '\'')
                quoted = !quoted;
            else if (!quoted && filter[i] == ' ' && i + 3 < filter.Length && filter[i + 3] == ' ' && filter.AsSpan(i + 1, 2) is "eq" or "ne" or "gt" or "ge" or "lt" or "le")
                comparisons++;
        }

        if (comparisons > FilterComparisons)
            throw new RequestFailedException(400, "One of the request inputs is not valid.", "InvalidInput", null);
    }
}
