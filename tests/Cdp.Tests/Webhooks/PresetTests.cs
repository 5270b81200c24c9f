using System.Text;
using System.Text.Json;
using Cdp.Webhooks.Mapping;
using static Cdp.Tests.Webhooks.Fixtures;

namespace Cdp.Tests.Webhooks;

/// <summary>Every preset on whole payloads, as their providers document them.</summary>
public sealed class PresetTests
{
    [Fact]
    public void ShopifyOrder()
    {
        var events = Events("shopify", "shopify-order", ("X-Shopify-Topic", "orders/create"), ("X-Shopify-Webhook-Id", "w1"));
        Assert.Equal(["identify w1:customer 2026-01-02T15:00:03.000Z", "Order Completed w1:order-completed 2026-01-02T15:00:00.000Z"], events.Select(Line));
        Assert.Equal("email=jon@example.com phone=+13125550142 shopify_customer_id=115310627314723954", Ids(events[1]));
        Assert.Equal("195.67 209.65 3.98 10.00", Raw(events[1], "revenue", "total", "tax", "shipping"));
        Assert.Equal(2, events[1].GetProperty("properties").GetProperty("products").GetArrayLength());
        Assert.Equal("+13125550142", events[0].GetProperty("traits").GetProperty("phone").GetString());
    }

    [Theory]
    [InlineData("orders/paid", "Order Paid")]
    [InlineData("orders/updated", "Order Updated")]
    [InlineData("orders/cancelled", "Order Cancelled")]
    [InlineData("orders/fulfilled", "Order Fulfilled")]
    public void ShopifyTopic_NamesTheEvent(string topic, string name) =>
        Assert.Equal(name, Events("shopify", "shopify-order", ("X-Shopify-Topic", topic)).Last().GetProperty("event").GetString());

    [Fact]
    public void ShopifyOrder_WithoutHeaders_IsKnownByItsShape_AndAnUnknownTopicIsNothing()
    {
        Assert.Equal("Order Completed 820982911946154508:2026-01-02T10:00:03-05:00:order-completed 2026-01-02T15:00:00.000Z", Line(Events("shopify", "shopify-order")[1]));
        Assert.Empty(Events("shopify", "shopify-order", ("X-Shopify-Topic", "inventory_items/update")));
    }

    [Fact]
    public void ShopifyCustomer()
    {
        var customer = Assert.Single(Events("shopify", "shopify-customer", ("X-Shopify-Topic", "customers/update"), ("X-Shopify-Webhook-Id", "w2")));
        Assert.Equal("identify w2:customer 2026-01-02T15:05:00.000Z", Line(customer));
        var traits = customer.GetProperty("traits");
        Assert.Equal(("bob@biller.example", "412.50", "subscribed", "CA"), (
            traits.GetProperty("email").GetString(), traits.GetProperty("shopifyTotalSpent").GetRawText(), traits.GetProperty("emailMarketing").GetString(),
            traits.GetProperty("address").GetProperty("country").GetString()));
    }

    [Fact]
    public void StripeChargeAndCustomer()
    {
        var charge = Assert.Single(Events("stripe", "stripe-charge"));
        Assert.Equal("Payment Succeeded evt_3MmlLrLkdIwHu7ix0uke3Ezy:charge-succeeded 2026-01-02T03:04:05.000Z", Line(charge));
        Assert.Equal("email=jenny.rosen@example.com stripe_customer_id=cus_NhD8HD2bY8dP3V", Ids(charge));
        Assert.Equal("1099.50 0.00", Raw(charge, "amount", "amount_refunded"));
        var customer = Assert.Single(Events("stripe", "stripe-customer"));
        Assert.Equal("identify evt_1NffrFLkdIwHu7ixm2:customer 2026-01-02T03:05:00.000Z", Line(customer));
        Assert.Equal(("Jenny Rosen", "2023-04-07T18:59:53.000Z"), (customer.GetProperty("traits").GetProperty("name").GetString(), customer.GetProperty("traits").GetProperty("createdAt").GetString()));
    }

    [Fact]
    public void HubSpotChanges_AreEventsOfContactDealAndTicket()
    {
        var events = Events("hubspot", "hubspot-changes");
        // In the order of the rules; a company's change is nobody's.
        Assert.Equal(
            ["Contact Created", "identify", "identify", "identify", "Deal Stage Changed", "Deal Associated", "Ticket Created", "group"], events.Select(Name));
        Assert.Equal("""{"firstName":"Emelia"}""", events[1].GetProperty("traits").GetRawText());
        Assert.Equal("""{"email":"emelia@example.com"}""", events[2].GetProperty("traits").GetRawText());
        Assert.Equal("""{"hs_lead_status":null}""", events[3].GetProperty("traits").GetRawText());
        Assert.Equal("hubspot_contact_id=1246965", Ids(events[2]));
        Assert.Equal(("hubspot_deal_id=501", "\"contractsent\"", "deal"), (Ids(events[4]), Raw(events[4], "stage"), Kind(events[4])));
        Assert.Equal("hubspot_contact_id=1246965 hubspot_deal_id=501", Ids(events[5]));
        Assert.Equal(("hubspot_ticket_id=77", "ticket"), (Ids(events[6]), Kind(events[6])));
        Assert.Equal("hubspot-company-900", events[7].GetProperty("groupId").GetString());
        Assert.Equal("2026-01-02T03:04:05.123Z", events[0].GetProperty("timestamp").GetString());
        Assert.Equal(8, events.Select(e => e.GetProperty("messageId").GetString()).Distinct().Count());
        // Sent again: another attempt, the same events to the byte.
        Assert.Equal(
            events.Select(e => e.GetRawText()),
            Parse(Apply("""{"preset":"hubspot"}""", Read("hubspot-changes").Replace("\"attemptNumber\":0", "\"attemptNumber\":3", StringComparison.Ordinal))).Select(e => e.GetRawText()));
    }

    /// <summary>What the app behind the webhooks wrote itself says no news, but for the address, which tells the contact's id.</summary>
    [Theory]
    [InlineData("1160452", "firstname,plan", "")]
    [InlineData("userId:9", "firstname,plan", "firstName,plan")]
    [InlineData("1160453", "firstname,plan", "firstName,plan")]
    [InlineData("1160452", "email,plan", "email")]
    public void HubSpotChange_OfTheAppItself_IsNoNews(string by, string properties, string traits)
    {
        var payload = "[" + string.Join(',', properties.Split(',').Select((name, i) => $$"""
            {"eventId":{{i}},"appId":1160452,"occurredAt":1767323045200,"subscriptionType":"contact.propertyChange","objectId":9,"propertyName":"{{name}}","propertyValue":"x","changeSource":"INTEGRATION","sourceId":"{{by}}"}
            """)) + "]";
        var events = Parse(Apply("""{"preset":"hubspot"}""", payload));
        Assert.Equal(traits, string.Join(',', events.SelectMany(e => e.GetProperty("traits").EnumerateObject().Select(t => t.Name))));
    }

    [Fact]
    public void HubSpotObjects_OfWorkflows()
    {
        var contact = Assert.Single(Events("hubspot", "hubspot-contact"));
        Assert.Equal("identify contact:1246965:1767323060000 2026-01-02T03:04:20.000Z", Line(contact));
        Assert.Equal(("emelia@example.com", "London"), (contact.GetProperty("traits").GetProperty("email").GetString(), contact.GetProperty("traits").GetProperty("address").GetProperty("city").GetString()));
        var deal = Assert.Single(Events("hubspot", "hubspot-deal"));
        Assert.Equal("Deal Stage Changed deal:501:1246965:1767323047000 2026-01-02T03:04:07.000Z", Line(deal));
        Assert.Equal(("1500.50 \"contractsent\"", "hubspot_contact_id=1246965 hubspot_deal_id=501"), (Raw(deal, "amount", "stage"), Ids(deal)));
        var ticket = Assert.Single(Events("hubspot", "hubspot-ticket"));
        Assert.Equal(("Ticket Stage Changed ticket:77:1246965:2026-01-02T03:05:00.000Z 2026-01-02T03:05:00.000Z", "hubspot_contact_id=1246965 hubspot_ticket_id=77", "ticket"), (Line(ticket), Ids(ticket), Kind(ticket)));
    }

    [Fact]
    public void SalesforceContactOpportunityAndCase()
    {
        var contact = Events("salesforce", "salesforce-contact");
        Assert.Equal(["identify", "group"], contact.Select(Name));
        Assert.Equal("identify contact:0035g00000ABCDEAA4:2026-01-02T03:04:05.000+0000 2026-01-02T03:04:05.000Z", Line(contact[0]));
        Assert.Equal(("+15127579340", "0015g00000XYZ12AAH"), (contact[0].GetProperty("traits").GetProperty("phone").GetString(), contact[1].GetProperty("groupId").GetString()));
        var deal = Assert.Single(Events("salesforce", "salesforce-opportunity"));
        Assert.Equal(("Deal Stage Changed", "75000.50 \"Negotiation/Review\"", "email=rose@edge.example salesforce_contact_id=0035g00000ABCDEAA4", "deal"), (Name(deal), Raw(deal, "amount", "stage"), Ids(deal), Kind(deal)));
        var ticket = Assert.Single(Events("salesforce", "salesforce-case"));
        Assert.Equal(("Ticket Created", "\"Generator will not start\"", "ticket"), (Name(ticket), Raw(ticket, "subject"), Kind(ticket)));
    }

    [Fact]
    public void PipedrivePersonDealAndActivity()
    {
        var person = Events("pipedrive", "pipedrive-person");
        Assert.Equal(["identify", "group"], person.Select(Name));
        Assert.Equal(("ola@fjell.example", "pipedrive_person_id=42"), (person[0].GetProperty("traits").GetProperty("email").GetString(), Ids(person[0])));
        var deal = Assert.Single(Events("pipedrive", "pipedrive-deal"));
        Assert.Equal("Deal Stage Changed 0f0c9be2-1f3c-4d57-9f0e-1d1c8a5a0002:deal 2026-01-02T03:05:00.000Z", Line(deal));
        Assert.Equal(("\"3\" \"2\" 12500", "deal", "pipedrive_person_id=42"), (Raw(deal, "stage", "previous_stage", "amount"), Kind(deal), Ids(deal)));
        var call = Assert.Single(Events("pipedrive", "pipedrive-activity"));
        Assert.Equal(("Call Logged", "\"Wants two weeks in July\"", "call", "pipedrive_person_id=42"), (Name(call), Raw(call, "text"), Kind(call), Ids(call)));
    }

    [Fact]
    public void Receipt()
    {
        var sale = Assert.Single(Events("receipt", "receipt"));
        Assert.Equal("Order Completed berlin-1:2:2026-000184 2026-01-02T15:20:11.000Z", Line(sale));
        Assert.Equal(("138.90 116.72 \"store\"", "loyalty_card=9800 1234 5678"), (Raw(sale, "total", "revenue", "channel"), Ids(sale)));
        Assert.Equal("""{"sku":"PEG-10","name":"Pegs","category":"outdoor","quantity":2,"price":4.50,"total":9.00}""", sale.GetProperty("properties").GetProperty("products")[1].GetRawText());
    }

    [Fact]
    public void SendGridOpensAndClicks()
    {
        var events = Events("sendgrid", "sendgrid");
        Assert.Equal(
            ["Email Opened b3BlbjE 2026-01-02T03:05:00.000Z", "Email Link Clicked Y2xpY2sx 2026-01-02T03:06:00.000Z", "Email Bounced Ym91bmNlMQ 2026-01-02T03:06:10.000Z"], events.Select(Line));
        Assert.Equal("198.51.100.7", events[0].GetProperty("context").GetProperty("ip").GetString());
        Assert.Equal("\"https://shop.example/tents?utm_source=mail\"", Raw(events[1], "url"));
        Assert.Equal(("email=ann@shop.example", "email=bob@shop.example"), (Ids(events[0]), Ids(events[2])));
    }

    private static List<JsonElement> Events(string preset, string payload, params (string Name, string Value)[] headers) =>
        Parse(Apply($$"""{"preset":"{{preset}}"}""", Read(payload), Headers(headers)));

    private static List<JsonElement> Parse(List<MappedEvent> events) => events.ConvertAll(made =>
    {
        Assert.Null(made.Refused);
        return JsonDocument.Parse(Encoding.UTF8.GetString(made.Json)).RootElement;
    });

    private static string Name(JsonElement e) => e.TryGetProperty("event", out var name) ? name.GetString()! : e.GetProperty("type").GetString()!;

    private static string Line(JsonElement e) =>
        $"{Name(e)} {e.GetProperty("messageId").GetString()} {(Conversions.Mail(e.GetProperty("timestamp").GetString()!) ?? throw new FormatException()).ToString()}";

    private static string Kind(JsonElement e) => e.GetProperty("context").GetProperty("interaction").GetProperty("kind").GetString()!;

    private static string Ids(JsonElement e) => string.Join(
        ' ', e.GetProperty("context").GetProperty("externalIds").EnumerateArray().Select(id => $"{id.GetProperty("type").GetString()}={id.GetProperty("id")}"));

    private static string Raw(JsonElement e, params string[] names) => string.Join(' ', names.Select(name => e.GetProperty("properties").GetProperty(name).GetRawText()));
}
