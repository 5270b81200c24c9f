using System.Globalization;
using System.Text;
using System.Xml;
using Azure.Storage.Queues.Models;

namespace Azure.Storage.Queues;

/// <summary>Message texts and lists of messages in the queue service's XML.</summary>
internal static class QueueXml
{
    /// <exception cref="ArgumentException">The text has a character that XML does not have.</exception>
    public static PooledBuffer Write(string text)
    {
        try
        {
            XmlConvert.VerifyXmlChars(text);
        }
        catch (XmlException invalid)
        {
            throw new ArgumentException(invalid.Message, nameof(text), invalid);
        }

        var body = new PooledBuffer(text.Length + 128);
        body.Write("<QueueMessage><MessageText>"u8);
        var rest = text.AsSpan();
        while (rest.IndexOfAny("<>&\r") is >= 0 and var special)
        {
            body.Write(rest[..special]);
            body.Write(rest[special] switch
            {
                '<' => "&lt;"u8,
                '>' => "&gt;"u8,
                '&' => "&amp;"u8,
                // A bare carriage return would be read as a line feed.
                _ => "&#xD;"u8,
            });
            rest = rest[(special + 1)..];
        }

        body.Write(rest);
        body.Write("</MessageText></QueueMessage>"u8);
        return body;
    }

    public static List<Message> Read(Response response)
    {
        var messages = new List<Message>();
        using var xml = XmlReader.Create(response.Content.ToStream());
        Message? message = null;
        while (!xml.EOF)
        {
            if (xml.NodeType != XmlNodeType.Element || xml.Depth == 0)
            {
                xml.Read();
                continue;
            }

            if (xml.Depth == 1)
            {
                messages.Add(message = new Message());
                xml.Read();
                continue;
            }

            var name = xml.Name;
            var value = xml.ReadElementContentAsString();
            switch (name)
            {
                case "MessageId":
                    message!.Id = value;
                    break;
                case "PopReceipt":
                    message!.PopReceipt = value;
                    break;
                case "MessageText":
                    message!.Text = value;
                    break;
                case "InsertionTime":
                    message!.InsertedOn = Time(value);
                    break;
                case "ExpirationTime":
                    message!.ExpiresOn = Time(value);
                    break;
                case "TimeNextVisible":
                    message!.NextVisibleOn = Time(value);
                    break;
                case "DequeueCount":
                    message!.DequeueCount = long.Parse(value, CultureInfo.InvariantCulture);
                    break;
                default:
                    break;
            }
        }

        return messages;
    }

    /// <summary>The answer to a message that was sent: every collected group waits for one. Its values have no markup, so an XmlReader with all its tables can be spared.</summary>
    public static SendReceipt ReadReceipt(Response response)
    {
        var xml = response.Content.ToMemory().Span;
        return new SendReceipt
        {
            MessageId = Value(xml, "<MessageId>"u8),
            PopReceipt = Value(xml, "<PopReceipt>"u8),
            InsertionTime = Time(Value(xml, "<InsertionTime>"u8)),
            ExpirationTime = Time(Value(xml, "<ExpirationTime>"u8)),
            TimeNextVisible = Time(Value(xml, "<TimeNextVisible>"u8)),
        };
    }

    private static string Value(ReadOnlySpan<byte> xml, ReadOnlySpan<byte> tag)
    {
        var start = xml.IndexOf(tag);
        if (start < 0)
            throw new FormatException("The answer is no receipt of a message.");
        var value = xml[(start + tag.Length)..];
        return Encoding.ASCII.GetString(value[..value.IndexOf((byte)'<')]);
    }

    // RFC 1123, as all times of the service.
    private static DateTimeOffset Time(string value) => DateTimeOffset.ParseExact(value, "r", CultureInfo.InvariantCulture);

    /// <summary>All that any of the operations answers of one message.</summary>
    public sealed class Message
    {
        public string Id { get; set; } = "";

        public string PopReceipt { get; set; } = "";

        public string Text { get; set; } = "";

        public DateTimeOffset InsertedOn { get; set; }

        public DateTimeOffset ExpiresOn { get; set; }

        public DateTimeOffset NextVisibleOn { get; set; }

        public long DequeueCount { get; set; }
    }
}
