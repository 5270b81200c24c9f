using System.Buffers;

namespace Cdp.Catalog;

/// <summary>
/// What the catalogue never shows as it is: values under names that speak of a person or identify something, and values that look like an
/// address, a number or a token. Of these only the form is shown, <c>x.x@x.x</c>.
/// </summary>
/// <remarks>This alone cannot know every first name or street. That is why any other text has to be shared by several people first.</remarks>
internal static class PersonalData
{
    /// <summary>A form goes no further than this.</summary>
    public const int FormLength = 24;

    // As many as the shortest phone numbers have.
    private const int ManyDigits = 7;

    // Shorter ones are words, or numbers of an article.
    private const int TokenLength = 16;

    private static readonly string[] Fragments =
    [
        "mail", "phone", "mobile", "whatsapp", "firstname", "lastname", "fullname", "surname", "nickname", "username", "displayname", "middlename",
        "familyname", "givenname", "maidenname", "vorname", "nachname", "address", "street", "postcode", "postal", "zipcode", "birth", "password",
        "secret", "token", "passport", "iban", "cardnumber", "creditcard", "licence", "license", "latitude", "longitude", "recipient", "customer",
        "contact", "comment", "message", "avatar",
    ];

    private static readonly SearchValues<string> PersonalFragments = SearchValues.Create(Fragments, StringComparison.OrdinalIgnoreCase);

    private static readonly HashSet<string> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        "id", "ids", "dob", "tel", "fax", "ip", "ssn", "zip", "lat", "lng", "lon", "user", "person", "author", "sender", "owner", "buyer", "guest",
        "member", "patient", "employee", "billing", "shipping", "login", "handle", "bio",
    };

    /// <summary>The name of a property says that its value, or what is in it, is about a person or identifies something.</summary>
    public static bool IsNamedBy(string name, bool isTrait)
    {
        // A product has a name too; a person's is a trait.
        if (Names.Contains(name) || (isTrait && name.Equals("name", StringComparison.OrdinalIgnoreCase)))
            return true;
        if (name.EndsWith("Id", StringComparison.Ordinal) || name.EndsWith("ID", StringComparison.Ordinal) || name.EndsWith("_id", StringComparison.OrdinalIgnoreCase)
            || name.EndsWith("-id", StringComparison.OrdinalIgnoreCase))
            return true;
        var plain = name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal);
        return plain.AsSpan().ContainsAny(PersonalFragments);
    }

    /// <param name="isName">Of an event or a property: those of programs are long and have digits, and are no tokens.</param>
    public static bool LooksLike(ReadOnlySpan<char> text, bool isName = false)
    {
        if (text.Contains('@') || text.Contains("://", StringComparison.Ordinal))
            return true;
        var (digits, letters, dots, spaces) = (0, 0, 0, 0);
        foreach (var c in text)
        {
            if (char.IsDigit(c))
                digits++;
            else if (char.IsLetter(c))
                letters++;
            else if (c is '.' or ':')
                dots++;
            else if (c == ' ')
                spaces++;
        }

        return digits >= ManyDigits
            || (!isName && text.Length >= TokenLength && spaces == 0 && digits > 0 && letters > 0)
            // Addresses of both versions of IP.
            || (dots >= 2 && digits > 0 && dots + digits + letters == text.Length);
    }

    /// <summary>A number that may be shown: not as long as a phone number or the number of an account.</summary>
    public static bool IsShortNumber(ReadOnlySpan<byte> number)
    {
        var digits = 0;
        foreach (var b in number)
        {
            if (b == (byte)'.')
                break;
            digits += char.IsAsciiDigit((char)b) ? 1 : 0;
        }

        return digits < ManyDigits && number.Length <= 2 * ManyDigits;
    }

    /// <summary>The form of a text: <c>X</c> and <c>x</c> for letters, <c>9</c> for digits, each once however many there are; what is between them.</summary>
    /// <returns>How much of <paramref name="form"/> was written.</returns>
    public static int Form(ReadOnlySpan<char> text, Span<char> form)
    {
        var length = 0;
        foreach (var c in text)
        {
            var sign = char.IsDigit(c) ? '9' : char.IsUpper(c) ? 'X' : char.IsLetter(c) ? 'x' : c < ' ' || c > '~' ? '?' : c;
            if (length > 0 && form[length - 1] == sign)
                continue;
            if (length == FormLength)
                break;
            form[length++] = sign;
        }

        return length;
    }
}
