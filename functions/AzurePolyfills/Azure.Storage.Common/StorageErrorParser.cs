using System.Diagnostics.CodeAnalysis;
using System.Xml;
using Azure.Core;

namespace Azure.Storage;

/// <summary>The error code of a queue or blob answer: in a header, and with its message in the XML body where there is one.</summary>
internal sealed class StorageErrorParser : RequestFailedDetailsParser
{
    public override bool TryParse(Response response, [NotNullWhen(true)] out ResponseError? error, out IDictionary<string, string>? data)
    {
        data = null;
        response.Headers.TryGetValue("x-ms-error-code", out var code);
        string? message = null;
        if (response.ContentStream is { Length: > 0 } && response.Headers.ContentType?.StartsWith("application/xml", StringComparison.OrdinalIgnoreCase) == true)
        {
            try
            {
                using var xml = XmlReader.Create(response.Content.ToStream());
                while (!xml.EOF)
                {
                    // Reading an element's content moves on to the next node by itself.
                    if (xml is { NodeType: XmlNodeType.Element, Depth: 1, Name: "Code" })
                        code = xml.ReadElementContentAsString();
                    else if (xml is { NodeType: XmlNodeType.Element, Depth: 1, Name: "Message" })
                        message = xml.ReadElementContentAsString();
                    else
                        xml.Read();
                }
            }
            catch (XmlException)
            {
                // A proxy's answer, not the service's: the status says enough.
            }
        }

        error = code is null ? null : new ResponseError(code, message);
        return error is not null;
    }
}
