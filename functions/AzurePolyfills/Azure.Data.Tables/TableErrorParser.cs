using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Azure.Core;

namespace Azure.Data.Tables;

/// <summary>
/// The code and message of a table answer. In a failed transaction the message begins with the index of the refused action.
/// </summary>
internal sealed class TableErrorParser : RequestFailedDetailsParser
{
    public const string FailedEntityIndex = "FailedEntity";

    public override bool TryParse(Response response, [NotNullWhen(true)] out ResponseError? error, out IDictionary<string, string>? data)
    {
        error = null;
        data = null;
        if (response.ContentStream is null or { Length: 0 })
            return false;
        try
        {
            using var document = JsonDocument.Parse(response.Content);
            if (!document.RootElement.TryGetProperty("odata.error", out var odata))
                return false;
            var code = odata.TryGetProperty("code", out var codeElement) ? codeElement.GetString() : null;
            var message = odata.TryGetProperty("message", out var text) && text.TryGetProperty("value", out var value) ? value.GetString() : null;
            data = new Dictionary<string, string>(StringComparer.Ordinal);
            if (message is not null && message.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon
                && int.TryParse(message.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            {
                data[FailedEntityIndex] = index.ToString(CultureInfo.InvariantCulture);
            }

            error = new ResponseError(code, message);
            return true;
        }
        catch (JsonException)
        {
            // A proxy's answer, not the service's: the status says enough.
            return false;
        }
    }
}
